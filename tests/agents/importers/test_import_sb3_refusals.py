"""Files of Stable-Baselines3 that are damaged, foreign, or would run code."""

import pytest
import torch

from policyscope.agents.importers.recognise import import_agent
from policyscope.core.errors import BadFile, PolicyscopeError

TANH = "<class 'torch.nn.modules.activation.Tanh'>"
VALUES_OWN = {"vf_features_extractor.cnn.0.weight": torch.zeros(32, 3, 8, 8)}
COMBINED = {"features_extractor.extractors.x.weight": torch.ones(2)}
JUNK = ["1e999", None, 3, -1, [], {}, "x", "...", [[]], 10**15, [10**9, 10**9], "nan", "inf", True]


def other(sb3, seen=None, done=None, weights=None, kind=None, **more):
    """What makes a model of which something is not as usual."""

    def make(canary):
        values = sb3.settings(canary, seen or sb3.SEEN, done or sb3.DONE, **more)
        for space, name in (kind or {}).items():
            values[space][":type:"] = f"<class 'gymnasium.spaces.{name}'>"
        return values, sb3.actor_critic() if weights is None else weights

    return make


@pytest.mark.parametrize(
    ("make", "said"),
    [
        (lambda s: other(s, weights=s.actor_critic() | COMBINED), "a network for dictionaries"),
        (
            lambda s: other(s, weights=s.actor_critic() | s.CNN | VALUES_OWN, seen=s.IMAGE),
            "an encoder each",
        ),
        (lambda s: other(s, weights={"actor.mu.weight": torch.ones(1, 2)}), "SAC, TD3 or DDPG"),
        (lambda s: other(s, weights=s.CNN), "float32 .*images of uint8 have an import"),
        (
            lambda s: other(s, weights=s.actor_critic() | s.CNN, seen=s.IMAGE),
            "no features_extractor.linear.0",
        ),
        (lambda s: other(s, kind={"observation_space": "dict.Dict"}), "Dict observations"),
        (
            lambda s: other(s, kind={"action_space": "multi_discrete.MultiDiscrete"}),
            "MultiDiscrete actions",
        ),
        (lambda s: other(s, seen=s.box((4,), dtype="uint8")), "observations of uint8"),
        (lambda s: other(s, done=s.box((2,), "-inf", "inf")), "does not say the bounds"),
        (lambda s: other(s, use_sde=True), "gSDE"),
        (lambda s: other(s, policy_kwargs={"squash_output": True}), "squashes its output"),
        (
            lambda s: other(s, policy_kwargs={"features_extractor_class": "<class 'x.Mine'>"}),
            "of its own",
        ),
        (
            lambda s: other(s, policy_kwargs={"activation_fn": "<class 'mine.Odd'>"}),
            "activation Odd",
        ),
        (
            lambda s: other(s, weights=s.actor_critic(actions=3)),
            "for 3 actions, its settings say 2",
        ),
        (lambda s: other(s, weights={"a": torch.ones(1)}), "is no policy of Stable-Baselines3"),
        (lambda s: other(s, weights={}), "no settings or no weights"),
        (
            lambda s: other(s, weights=s.actor_critic() | {"x.y": torch.ones(1)}),
            "unknown weights: x.y",
        ),
        (
            lambda s: other(s, weights=s.actor_critic(features=5)),
            r"has shape \(9, 5\), expected \(9, 4\)",
        ),
        (
            lambda s: other(s, weights=s.q_net(actions=2), policy_kwargs={"activation_fn": TANH}),
            "DQN with tanh",
        ),
    ],
)
def test_what_has_no_import_is_refused_by_name(tmp_path, canary, sb3, make, said):
    path = sb3.written(tmp_path, *make(sb3)(canary))
    with pytest.raises(PolicyscopeError, match=said) as caught:
        import_agent(path)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    ("files", "said"),
    [
        ({"data": None}, "has no data"),
        ({"data": b"{"}, "not JSON"),
        ({"data": b"[]"}, "no settings"),
        ({"data": b"\xff\xfe"}, "not JSON"),
        ({"data": b"{}"}, "unknown observations"),
        ({"data": b"[" * 100_000}, "nested too deeply"),
        ({"data": b'{"a":' * 100 + b"1" + b"}" * 100}, "nested too deeply"),
        ({"policy.pth": b""}, "refused: damaged"),
        ({"policy.pth": b"PK"}, "refused: damaged"),
    ],
)
def test_damaged_parts_are_one_clear_line(sb3, tmp_path, canary, files, said):
    path = sb3.written(
        tmp_path, sb3.settings(canary, sb3.SEEN, sb3.DONE), sb3.actor_critic(), **files
    )
    with pytest.raises(BadFile, match=said) as caught:
        import_agent(path, "stable_baselines3")
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("number", ["1e999", "-1e999", "1e300", "9" * 400])
@pytest.mark.parametrize(
    ("space", "entry", "continuous"),
    [
        ("observation_space", "_shape", False), ("action_space", "n", False),
        ("action_space", "start", False), ("action_space", "_shape", True),
        ("action_space", "low", True),
    ],
)  # fmt: skip
def test_numbers_too_large_are_one_clear_line(
    sb3, tmp_path, canary, space, entry, continuous, number
):
    values = sb3.settings(canary, sb3.SEEN, sb3.box((2,)) if continuous else sb3.DONE)
    values[space][entry] = [number]
    path = sb3.written(tmp_path, values, sb3.actor_critic(gaussian=continuous))
    with pytest.raises(PolicyscopeError) as caught:
        import_agent(path)
    assert "\n" not in str(caught.value)
    assert len(str(caught.value)) < 700


@pytest.mark.parametrize("entry", ["observation_space", "action_space", "policy_kwargs", "use_sde"])
def test_settings_of_other_kinds_are_an_agent_or_one_clear_line(sb3, tmp_path, canary, entry):
    values = sb3.settings(canary, sb3.SEEN, sb3.DONE)
    inner = [k for k in values[entry] if k != ":serialized:"] if values[entry] else []
    inner += ["activation_fn", "features_extractor_class"] if entry == "policy_kwargs" else []
    refused = 0
    for junk in JUNK:
        whole = [{**values, entry: junk}]
        parts = [{**values, entry: {**values[entry], key: junk}} for key in inner]
        for changed in whole + parts:
            path = sb3.written(tmp_path, changed, sb3.actor_critic())
            try:
                agent = import_agent(path)
            except PolicyscopeError as error:
                refused += 1
                told = str(error).splitlines()
            else:
                told = [str(agent.head)]
            assert len(told) == 1
    assert refused >= (len(JUNK) - 1 if entry.endswith("space") else 0)


def test_weights_that_would_run_code_are_refused(sb3, tmp_path, canary):
    evil = {**sb3.actor_critic(), "x": sb3.Evil(canary)}
    path = sb3.written(tmp_path, sb3.settings(canary, sb3.SEEN, sb3.DONE), evil)
    with pytest.raises(BadFile, match="refused"):
        import_agent(path)


def test_truncations_are_one_clear_line(sb3, tmp_path, canary):
    values = sb3.settings(canary, sb3.SEEN, sb3.DONE)
    path = sb3.written(tmp_path, values, sb3.actor_critic())
    data = path.read_bytes()
    for length in range(0, len(data), len(data) // 60):
        path.write_bytes(data[:length])
        with pytest.raises(BadFile) as caught:
            import_agent(path)
        assert "\n" not in str(caught.value)
