"""The adapter gives what captum gives when it is called directly, and leaves nothing behind."""

import sys
import warnings

import captum.attr
import numpy as np
import pytest
import torch
from torch import nn

from policyscope.attribution.asking.score import Decisions
from policyscope.attribution.asking.windows import Windows, windowed_score
from policyscope.attribution.config import REFUSED
from policyscope.attribution.methods.captum import BY_FUNCTION, BY_HOOKS, captum_attribution
from policyscope.core.errors import MissingPart, PolicyscopeError, UnknownName
from policyscope.core.tails import tail
from policyscope.core.target_parser import parse_target

from .conftest import image_agent, images, rest_of, road_agent, roads
from .test_gradients import Whole

#: 16 squares of 8 x 8, through all channels.
SQUARES = torch.arange(16).view(1, 1, 4, 4).repeat_interleave(8, 2).repeat_interleave(8, 3)
OPTIONS = {
    "Deconvolution": {},
    "DeepLift": {},
    "DeepLiftShap": {"baselines": torch.linspace(0, 1, 3 * 3072).view(3, 3, 32, 32)},
    "FeatureAblation": {"feature_mask": SQUARES, "perturbations_per_eval": 3},
    "FeaturePermutation": {"feature_mask": SQUARES},
    "GradientShap": {"baselines": torch.rand(5, 3, 32, 32), "n_samples": 6, "stdevs": 0.1},
    "GuidedBackprop": {},
    "InputXGradient": {},
    "IntegratedGradients": {"baselines": 0.5, "n_steps": 5},
    "KernelShap": {"feature_mask": SQUARES, "n_samples": 40},
    "Lime": {"feature_mask": SQUARES, "n_samples": 40, "perturbations_per_eval": 8},
    "NoiseTunnel": {"nt_samples": 3, "stdevs": 0.2},
    "Occlusion": {"sliding_window_shapes": (3, 8, 8), "strides": (3, 8, 4)},
    "Saliency": {"abs": False},
    "ShapleyValueSampling": {"feature_mask": SQUARES, "n_samples": 2},
    "ShapleyValues": {"feature_mask": (SQUARES // 6)},
}


def direct(name, agent, x, options, seed=0):
    """Captum itself, on the network."""
    torch.manual_seed(seed)
    np.random.seed(seed)
    net = Whole(agent)
    made = captum.attr.Saliency(net) if name == "NoiseTunnel" else net
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        return getattr(captum.attr, name)(made).attribute(x, target=2, **options).detach()


@pytest.mark.parametrize("name", BY_FUNCTION + BY_HOOKS)
def test_it_is_captum_called_directly(clear, name):
    rest = rest_of(clear, "logit[FASTER]")
    ours = captum_attribution(name, rest, **OPTIONS[name])
    theirs = direct(name, clear[0], clear[0].preprocess(clear[1].obs), OPTIONS[name])
    torch.testing.assert_close(ours, theirs.float())
    assert ours.shape == rest.activation.shape
    assert not ours.requires_grad
    assert ours.flatten(1).abs().sum(1).min() > 1e-2


class From3a(nn.Module):
    """A clear network from its site 3a.relu on, written out."""

    def __init__(self, net):
        super().__init__()
        self.net = nn.ModuleDict({"pool": net.get_submodule("3a.pool")})
        names = ("4a", "dense", "dense_relu", "dense_1", "dense_1_relu", "pi")
        self.net.update({name: net.get_submodule(name) for name in names})

    def forward(self, x):
        x = self.net["4a"](self.net["pool"](x)).flatten(1)
        for name in ("dense", "dense_relu", "dense_1", "dense_1_relu", "pi"):
            x = self.net[name](x)
        return x


@pytest.mark.parametrize("name", ["DeepLift", "GuidedBackprop", "Deconvolution", "Saliency"])
def test_it_is_captums_at_a_layer(clear, name):
    """What lies before the site has no hook: it does not run, and captum would stumble over it."""
    rest = rest_of(clear, "logit[FASTER]", "3a.relu")
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        made = getattr(captum.attr, name)(From3a(clear[0].net))
        theirs = made.attribute(rest.activation.clone(), target=2).detach()
    torch.testing.assert_close(captum_attribution(name, rest), theirs)
    assert theirs.abs().max() > 1e-3


def test_deep_lift_is_captums_through_attention():
    agent = road_agent()
    rest = rest_of((agent, Decisions(roads())), "q[FASTER]", hold=())
    theirs = direct("DeepLift", agent, roads(), {})
    torch.testing.assert_close(captum_attribution("DeepLift", rest), theirs)


def test_draws_follow_the_seed_and_leave_the_callers_alone(clear):
    rest = rest_of(clear, "value", "dense_relu")
    options = {"baselines": torch.rand(4, 12), "stdevs": 0.5}
    torch.manual_seed(7)
    np.random.seed(7)
    once = captum_attribution("GradientShap", rest, seed=1, **options)
    after = torch.rand(1), np.random.rand()
    torch.manual_seed(7)
    np.random.seed(7)
    assert (torch.rand(1), np.random.rand()) == after
    torch.testing.assert_close(once, captum_attribution("GradientShap", rest, seed=1, **options))
    assert not torch.equal(once, captum_attribution("GradientShap", rest, seed=2, **options))


def hooks_and_marks(agent):
    return [
        (len(m._forward_hooks), len(m._forward_pre_hooks), len(m._backward_hooks), set(m.__dict__))
        for m in agent.modules().values()
    ]


@pytest.mark.parametrize("name", BY_HOOKS)
def test_nothing_is_left_on_the_modules(clear, name):
    before = hooks_and_marks(clear[0])
    rest = rest_of(clear, "value")
    captum_attribution(name, rest, **OPTIONS[name])
    assert hooks_and_marks(clear[0]) == before
    with pytest.raises(PolicyscopeError):
        captum_attribution("DeepLift", rest, baselines=torch.zeros(4, 3, 5, 5))
    assert hooks_and_marks(clear[0]) == before


def test_a_failed_pass_leaves_no_marks():
    """DeepLift notes what goes in and out of a module forward and takes it away backward."""
    modules = {"x": nn.Identity(), "first": nn.ReLU(), "twice": nn.ReLU(), "bend": nn.Tanh()}

    def run(rows):
        x = modules["first"](modules["x"](torch.ones(2, 3)[rows]))
        return modules["bend"](modules["twice"](modules["twice"](x) + 1)).sum(1)

    rest = tail(modules, "x", run, 2)
    before = [set(module.__dict__) for module in modules.values()]
    modules["first"].input = "mine"
    with pytest.raises(PolicyscopeError, match="captum's DeepLift failed: A Module ReLU") as caught:
        captum_attribution("DeepLift", rest)
    assert "\n" not in str(caught.value)
    assert modules["first"].__dict__.pop("input") == "mine"
    assert [set(module.__dict__) for module in modules.values()] == before


def test_what_cannot_work_is_refused_in_one_line(clear):
    rest = rest_of(clear, "value")
    for name, why in {**{n: "cannot work here" for n in REFUSED},
                      "LayerDeepLift": "make the score at that site",
                      "NeuronGradient": "make the score at that site",
                      "GradientShap": "missing 1 required"}.items():  # fmt: skip
        with pytest.raises(PolicyscopeError, match=why) as caught:
            captum_attribution(name, rest)
        assert "\n" not in str(caught.value)
        assert name in str(caught.value)
    with pytest.raises(UnknownName, match="Did you mean Saliency"):
        captum_attribution("Salency", rest)
    with pytest.raises(UnknownName, match="Did you mean n_samples"):
        captum_attribution("Lime", rest, n_sample=3)
    with pytest.raises(UnknownName, match="option of captum's DeepLift 'return_convergence_delta'"):
        captum_attribution("DeepLift", rest, return_convergence_delta=True)
    with pytest.raises(UnknownName, match="attribution of captum 'Salency'"):
        captum_attribution("NoiseTunnel", rest, attribution_method="Salency")


def test_every_attribution_of_an_input_is_known():
    """A later captum may have more: then a line here says whether it works."""
    bases = {"Attribution", "GradientAttribution", "PerturbationAttribution", "InternalInfluence"}
    theirs = {
        name for name in captum.attr.__all__
        if isinstance(made := getattr(captum.attr, name), type)
        and issubclass(made, captum.attr.Attribution)
        and not name.startswith(("Layer", "Neuron")) and "LLM" not in name
    }  # fmt: skip
    assert theirs - bases == {*BY_FUNCTION, *BY_HOOKS, *REFUSED}


def test_windows_take_what_needs_no_hooks():
    agent = image_agent("impala_gru")
    windows = Windows(images(6).unflatten(0, (2, 3)), None, torch.zeros(2, 3, dtype=torch.bool))
    rest = windowed_score(agent, parse_target("value"), windows)
    x = rest.activation.clone().requires_grad_()
    (slope,) = torch.autograd.grad(rest(x, torch.arange(2)).sum(), x)
    torch.testing.assert_close(captum_attribution("InputXGradient", rest), slope * x.detach())
    with pytest.raises(PolicyscopeError, match="DeepLift sets hooks inside the network"):
        captum_attribution("DeepLift", rest)


def test_a_missing_captum_is_named(clear, monkeypatch):
    rest = rest_of(clear, "value", "dense_relu")
    monkeypatch.setitem(sys.modules, "captum", None)
    with pytest.raises(MissingPart, match=r"pip install 'policyscope\[captum\]'"):
        captum_attribution("Saliency", rest)
