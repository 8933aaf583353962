"""Names of actions by what they do."""

from policyscope.envs.actions import action_names, effects, idle_actions
from policyscope.envs.procgen.actions import ACTIONS


def test_actions_that_do_nothing_have_one_name():
    names = action_names("procgen/coinrun", ACTIONS)
    assert names[:4] == ["LEFT_DOWN", "LEFT", "LEFT_UP", "DOWN"]
    assert [i for i, name in enumerate(names) if name == "no-op"] == [4, 9, 10, 11, 12, 13, 14]
    grouped = dict(effects("procgen/coinrun", ACTIONS))
    assert grouped["no-op ×7"] == [4, 9, 10, 11, 12, 13, 14]
    assert sorted(sum(grouped.values(), [])) == list(range(15))
    assert len(grouped) == 9


def test_elsewhere_each_action_has_its_own_name():
    traffic = ("SLOWER", "IDLE", "FASTER")
    assert action_names("highway/intersection", traffic) == list(traffic)
    assert effects("highway/intersection", traffic)[1] == ("IDLE", [1])
    assert idle_actions("procgen/bigfish", ACTIONS) == []
    assert action_names("procgen/coinrun", ("LEFT", "IDLE")) == ["LEFT", "IDLE"]
