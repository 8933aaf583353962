"""Every verb on agents of other programs: the numbers of Python and of the recording, or a line.

Two lineages always, one of vectors and one of frames with memory; the others are slow.
"""

import json
from types import SimpleNamespace

import numpy as np
import pandas as pd
import pytest
import torch
from fastapi.testclient import TestClient
from safetensors.torch import load_file

from policyscope.agents.store import load_agent
from policyscope.attribution.config import AttributionConfig
from policyscope.attribution.explain import attribute
from policyscope.cli.main import main
from policyscope.core.result import Result
from policyscope.panel.application import application
from policyscope.recordings.read import open_recording
from policyscope.recordings.replays.field import policy_field
from policyscope.recordings.replays.why_not import why_not

#: 90 s of one core together.
SLOW = [
    "cleanrl_dqn", "cleanrl_continuous", "rl_agents", "rl_clarity", "sb3_ppo", "sb3_dqn",
    "sb3_recurrent",
]  # fmt: skip
LINEAGES = ["cleanrl_ppo", "procgen_gru", *(pytest.param(n, marks=pytest.mark.slow) for n in SLOW)]
STEP = 3
FEW = ["--attribution.initialisations", "0", "--attribution.no-trust"]


@pytest.fixture(scope="module", params=LINEAGES)
def played(request, foreign, tmp_path_factory):
    """An imported agent, its file, and a recording of two short episodes."""
    folder, one = tmp_path_factory.mktemp(request.param), foreign[request.param]
    path = one.write(folder)
    agent, rec = folder / "agent", folder / "rec"
    assert main(["import", str(path), *one.flags, "--out", str(agent)]) == 0
    flags = ["--episodes", "2", "--seed", str(one.seed), "--workers", "0"]
    assert main(["record", str(agent), *flags, "--out", str(rec)]) == 0
    made = open_recording(rec)
    return SimpleNamespace(
        name=request.param, one=one, path=path, folder=folder, agent=agent, rec=rec, made=made,
        place=f"{rec}:0:{STEP}", who=load_agent(agent), flags=flags,
        images=len(made.space.obs_shape) == 3, cars=made.env.id.startswith("highway"),
    )  # fmt: skip


@pytest.fixture
def told(capsys):
    """What a verb puts out as JSON."""

    def run(*argv, code=0):
        assert main([str(a) for a in argv] + ["--json", "-"]) == code, capsys.readouterr().err
        return json.loads(capsys.readouterr().out)

    return run


@pytest.fixture
def words(capsys):
    def run(*argv):
        assert main([str(a) for a in argv]) == 0, capsys.readouterr().err
        return " ".join(capsys.readouterr().out.split())

    return run


@pytest.fixture
def refused(capsys):
    """The one line of a verb that does not apply; it must name a cause and a mend."""

    def run(said, *argv):
        capsys.readouterr()
        assert main([str(a) for a in argv]) == 2
        out, err = capsys.readouterr()
        assert (out, err.count("\n")) == ("", 1)
        assert said in err

    return run


def stepped(played, episode=0):
    """Outputs and memories of the agent on recorded observations, one decision after the other."""
    rows = played.made.rows(["obs"], [episode])["obs"]
    state, outputs, before = None, [], []
    for obs in rows:
        before.append(state)
        decision = played.who.act(obs[None], state, sample=False)
        state = decision.state
        outputs.append({k: v.detach() for k, v in decision.outputs.items()})
    return {k: torch.cat([o[k] for o in outputs]).numpy() for k in outputs[0]}, before


def agreement(played):
    """Share of later decisions whose preferred action stays where memory is reset at every step."""
    same = []
    for episode in range(2):
        kept, _ = stepped(played, episode)
        obs = played.made.rows(["obs"], [episode])["obs"]
        with torch.no_grad():
            reset = played.who.act(obs, None, sample=False).outputs["logits"].numpy()
        same += (kept["logits"].argmax(1) == reset.argmax(1))[1:].tolist()
    return np.mean(same)


def test_the_doctor_proves_it_by_the_formulas_of_its_lineage(played, told, words, monkeypatch):
    monkeypatch.setenv("HEADS", "4")  # which the file of rl-agents does not say
    values = told("doctor", played.agent, "--rows", 32, *played.one.proof(played.path))
    verdicts = {found["name"]: found["verdict"] for found in values["findings"]}
    assert verdicts["parity"] == verdicts["save and load"] == verdicts["sites"] == "passed"
    assert "failed" not in verdicts.values()
    shown = words("show", played.agent)
    size = sum(p.numel() for p in played.who.net.parameters())
    assert f"{size:,}" in shown
    for word in (played.path.name, played.who.card["algorithm"], "initial weights unknown"):
        assert word in shown


def test_what_was_recorded_is_what_the_agent_puts_out_step_by_step(played, words):
    for episode in range(2):
        outputs, _ = stepped(played, episode)
        rows = played.made.rows(list(outputs), [episode])
        for name, values in outputs.items():
            assert abs(values - rows[name]).max() <= 1e-5 * max(1, abs(values).max())
    assert "whole" in words("check", played.rec)


def test_evaluate_gives_the_returns_of_the_same_episodes(played, told):
    values = told("evaluate", played.agent, *played.flags, "--no-cache", "--baselines", "random")
    found = values["agent"]
    assert found["return"]["mean"] == pytest.approx(played.made.episodes["return"].mean())
    assert found["length"]["mean"] == played.made.episodes["steps"].mean()
    assert (found["n"], values["baselines"]["random"]["n"]) == (2, 2)
    assert values["baselines"]["random"]["return"]["low"] is not None


def test_find_gives_the_greatest_recorded_values(played, told):
    numbers = played.made.rows(["value"])["value"] if "value" in played.made.names else None
    if numbers is None:
        numbers = played.made.rows(["q"])["q"].max(1)
    found = told("find", played.rec, "value top 3")["found"]
    assert sorted(line["number"] for line in found) == pytest.approx(sorted(numbers)[-3:])


def test_highlights_exports_and_videos_hold_the_episodes(played, words, told, tmp_path):
    moments = told("highlights", played.rec, "--clips", 2)["moments"]
    assert len(moments) == 2
    assert all(moment["why"] and moment["of"] for moment in moments)
    assert "all 2 episodes" in words("export", played.rec, "--out", tmp_path / "page.html")
    assert played.one.site in (tmp_path / "page.html").read_text()
    words("export", played.rec, "--out", tmp_path / "steps.parquet")
    table = pd.read_parquet(tmp_path / "steps.parquet")
    np.testing.assert_array_equal(table["reward"], played.made.rows(["reward"])["reward"])
    line = played.made.line(0)
    videos = ["--episodes", 1, "--seed", played.one.seed, "--size", 64, "--out", tmp_path / "v"]
    said = words("watch", played.agent, *videos)
    assert f"{line['steps']} steps, return {line['return']:.2f}" in said
    assert (tmp_path / "v" / f"seed_{played.one.seed:05d}.mp4").stat().st_size > 1000


def test_a_fork_keeps_the_recorded_future_and_changes_the_other(played, told, refused):
    edit, few = f"zero {played.one.site}[0]", ["--seeds", 1, "--null", 1, "--clip", "none"]
    values = told("fork", played.place, "--edit", edit, *few)
    rest = played.made.rows(["reward"], [0])["reward"][STEP:].sum()
    if not played.cars:  # whose futures draw new chances
        assert values["return"]["kept"] == pytest.approx([rest])
    assert values["checks"][0]["passed"]
    assert len(values["null"]) == 1
    whole = f"zero {played.one.site}"
    refused("edit some of its units, or ask for no null", "fork", played.place, "--edit", whole)
    assert told("fork", played.place, "--edit", whole, *few, "--null", 0)["null"] in (None, [])


def test_fields_and_counterfactuals_are_pythons_or_refused(played, told, refused):
    actions = played.made.space.actions
    if played.images:
        values = told("field", played.place, "--around", 1.5)
        data = policy_field(played.made, 0, STEP, around=1.5).data
        np.testing.assert_allclose(values["value"]["kept"], data["value"].sel(side="kept"))
    else:
        refused("needs CoinRun or Maze", "field", played.place)
    if played.images or played.cars:
        wanted = "LEFT" if played.images else "SLOWER"
        values = told("why-not", played.place, wanted)
        found = why_not(played.made, 0, STEP, wanted).data
        assert len(values["changes"]) == found.sizes["change"] > 1
        margins = sorted(change["margin"] for change in values["changes"])
        np.testing.assert_allclose(margins, sorted(found["margin"].values), rtol=1e-5)
    else:
        cause = "can be removed or moved" if actions else "only agents with discrete actions"
        refused(cause, "why-not", played.place, actions[0] if actions else "0")


def test_integrated_gradients_add_up_to_what_the_agent_itself_says(played, told):
    """Between the recorded observation and zero, by two decisions of the agent."""
    target = "value" if played.who.head != "q" else f"q[{played.made.space.actions[0]}]"
    values = told("explain", played.place, "--method", "integrated_gradients", "--target", target,
                  *FEW)  # fmt: skip
    data = Result.load(values["result"]).data
    outputs, before = stepped(played)
    obs = played.made.rows(["obs"], [0])["obs"][STEP]
    hooks = []
    if played.cars:  # whose mask of absent rows is held along the way to zero
        absent = torch.from_numpy(obs[None, :, 0] < 0.5)
        hooks = [played.who.net.absent.register_forward_hook(lambda *_: absent)]
    with torch.no_grad():
        zero = played.who.act(np.zeros_like(obs)[None], before[STEP], sample=False).outputs
    for hook in hooks:
        hook.remove()
    there, none = (
        float(o["value"][i]) if "value" in o else float(o["q"][i, 0])
        for o, i in ((outputs, STEP), (zero, 0))
    )
    assert float(data["target"].values[0]) == pytest.approx(there, abs=1e-4)
    assert values["numbers"]["change"]["mean"] == pytest.approx(there - none, abs=1e-4)
    total = float(data["attribution"].sum())
    assert total == pytest.approx(there - none, abs=0.02 * abs(there - none) + 1e-4)
    if "entities" in values and played.images:
        assert {line["name"] for line in values["entities"]} >= {"player", "walls"}


@pytest.mark.parametrize("method", ["input_x_gradient", "occlusion", "shapley", "conductance"])
def test_attributions_at_a_hidden_site_are_pythons(played, told, method):
    asked = ["--method", method, "--site", played.one.site]
    code = main(["explain", played.place, *asked, *FEW, "--out", str(played.folder / method)])
    config = AttributionConfig("", method, played.one.site, initialisations=0, trust=False)
    result = attribute(played.made, config, 0, STEP)
    assert code == (0 if result.passed else 3)
    data = Result.load(played.folder / method).data
    np.testing.assert_array_equal(data["attribution"], result.data["attribution"])
    assert float(abs(data["attribution"]).max()) > 0


@pytest.mark.timeout(300)  # 8 s; every method with its trust line, which a busy machine makes wait
def test_the_audit_measures_what_the_trust_line_does(played, told):
    few = ["--attribution.initialisations", 1, "--attribution.samples", 4]
    asked = ["explain", played.place, "--site", played.one.site, *few]
    audit = told(*asked, "--audit")
    one = told(*asked, "--method", "integrated_gradients")
    found = {line["method"]: line for line in audit["methods"]}
    assert {"integrated_gradients", "gradient", "occlusion", "shapley"} <= set(found)
    for figure in one["trust"]:
        if figure["name"] in ("deletion", "insertion", "infidelity"):
            mine = found["integrated_gradients"][figure["name"]]
            assert mine["mean"] == pytest.approx(figure["mean"], rel=1e-6)
            assert mine["n"] == figure["n"] == 1
    assert "Grad-CAM needs channels and places" in audit["left_out"]["grad_cam"]


def test_memory_heads_and_traces_or_what_to_take_instead(played, told, refused):
    site, any_agent = played.one.site, "--method integrated_gradients"
    rows = played.made.rows([f"sites/{site}"], [0])[f"sites/{site}"]
    traced = told("explain", played.rec, "--method", "traces", "--site", site)
    spread = rows.reshape(len(rows), -1).astype(float).std(0).max()
    assert traced["liveliest"][0]["standard_deviation"] == pytest.approx(spread, rel=1e-4)
    if played.cars:
        heads = told("explain", played.rec, "--attention.resamples", 100)
        assert heads["method"] == "attention"
    else:
        refused(any_agent, "explain", played.rec)
    through = ["--method", "through_time", "--through-time.past", "3", "--through-time.no-trust"]
    if played.who.recurrent:
        values = told("explain", played.place, *through)
        parts = sum(line["values"]["mean"] for line in values["past"])
        change = values["numbers"]["change"]["mean"]
        assert parts == pytest.approx(change, abs=0.02 * abs(change) + 1e-3)
        memory = ["explain", played.rec, "--method", "memory"]
        if played.images:  # whose player has a velocity to read from memory
            refused("at least 10 episodes, got 2", *memory)
        else:
            found = told(*memory)["reset"]
            assert found["agreement"]["estimate"] == pytest.approx(agreement(played))
            assert found["kl"]["estimate"] > 0
    else:
        for method in ("memory", "through_time"):
            refused(any_agent, "explain", played.rec, "--method", method)


def test_a_report_tells_the_decision_and_who_was_imported(played, told, tmp_path):
    page = tmp_path / "report.html"
    asked = ["--method", "input_x_gradient", "--no-fork", "--size", 96, "--out", page]
    values = told("report", played.place, *asked)
    blame, found = values["attribution"], played.made.rows(["logp", "action"], [0])
    if played.who.head == "categorical":
        assert blame["target"] == "logp[taken]"
        assert blame["value"] == pytest.approx(float(found["logp"][STEP]), abs=1e-4)
    assert values["passed"]
    assert blame["entities" if played.images or played.cars else "units"]
    card = played.who.card
    told_of = f"imported from {played.path.name} ({card['lineage']})"
    assert told_of in values["provenance"]["agent"]
    assert told_of in page.read_text()


def test_the_panel_answers_with_the_numbers_of_the_command_line(played, told):
    asked = {"method": "input_x_gradient", "site": played.one.site}
    client = TestClient(application(played.folder), base_url="http://127.0.0.1")
    assert "rec" in {one["id"] for one in client.get("/api/library").json()["recordings"]}
    found = told("find", played.rec, "action changes")["found"]
    moments = client.get("/api/recordings/rec/moments", params={"query": "action changes"}).json()
    same = ("episode", "step", "until")
    assert [[m[k] for k in same] for m in moments["moments"]] == [
        [line[k] for k in same] for line in found
    ]
    wanted = {"recording": "rec", "episode": 0, "step": STEP, **asked}
    answer = client.post("/api/attribution", json=wanted)
    assert answer.status_code == 200, answer.text
    values = told("explain", played.place, "--method", asked["method"], "--site", asked["site"],
                  *FEW)  # fmt: skip
    assert answer.json()["target"] == values["target"]
    assert answer.json()["value"] == pytest.approx(values["numbers"]["target"]["mean"], rel=1e-5)
    total = float(Result.load(values["result"]).data["attribution"].sum())
    assert answer.json()["sum"] == pytest.approx(total, rel=1e-3, abs=1e-6)


def test_training_goes_on_from_it_or_says_what_differs(played, refused, tmp_path):
    settings = ["lanes=2", "horizon=8", "minibatches=1", "epochs=1"]
    sizes = played.one.train
    preset = "classic" if not played.images else "procgen-recurrent"
    argv = ["train", "ppo", *played.one.flags, "--preset", preset, "--steps", "16"]
    argv = [a for a in argv if a not in ("--heads", "4")] + ["--watch-every", "0", "--threads", "1"]
    if played.cars:
        argv += ["--env", "highway/intersection"]
    for text in (*settings, *(sizes or ())):
        argv += ["--set", text]
    out = tmp_path / "run"
    if sizes is None:
        refused("make them alike (--preset, --set)", *argv, "--start", played.agent, "--out", out)
        return
    assert main([*argv, "--checkpoints", "1", "--start", str(played.agent), "--out", str(out)]) == 0
    own = load_file(played.agent / "weights.safetensors")
    first, last = (load_file(out / f"{n}.safetensors") for n in ("initial", "weights"))
    assert all(torch.equal(first[name], value) for name, value in own.items())
    assert any(not torch.equal(last[name], value) for name, value in own.items())
    run = load_agent(out)
    assert run.card["start"]["card"]["source"] == played.who.card["source"]
    refused("without its training curves", "curve", played.agent)


def test_it_teaches_another_network_or_says_why_not(played, refused, tmp_path):
    """A policy of any size over the same actions; what has none is refused."""
    env = played.one.flags if "--env" in played.one.flags else ["--env", "highway/intersection"]
    preset = "classic" if not played.images else "procgen"
    argv = ["train", "ppo", *env, "--preset", preset, "--steps", "16", "--watch-every", "0"]
    for text in ("lanes=2", "horizon=8", "minibatches=1", "epochs=1", "widths=[4,4,4]"):
        argv += ["--set", text]
    argv += ["--checkpoints", "1", "--threads", "1", "--out", str(tmp_path / "run")]
    argv += ["--teacher", str(played.agent)]
    if played.who.head != "categorical":
        refused("must have a policy over discrete actions", *argv, "--set", "teacher_steps=8")
        return
    refused("say for how long: --set teacher_steps=N", *argv)
    assert main([*argv, "--set", "teacher_steps=8"]) == 0
    taught = load_agent(tmp_path / "run").card["teacher"]
    assert (taught["lineage"], taught["until_step"]) == (played.who.card["lineage"], 8)
