"""Names of captum's attributions, known without captum or torch."""

BY_FUNCTION = (
    "FeatureAblation", "FeaturePermutation", "GradientShap", "InputXGradient",
    "IntegratedGradients", "KernelShap", "Lime", "NoiseTunnel", "Occlusion", "Saliency",
    "ShapleyValueSampling", "ShapleyValues",
)  # fmt: skip
#: These set hooks on the nonlinear modules behind the site.
BY_HOOKS = ("Deconvolution", "DeepLift", "DeepLiftShap", "GuidedBackprop")
#: They compare with a baseline of our choice.
COMPARED = (
    "DeepLift", "FeatureAblation", "IntegratedGradients", "KernelShap", "Lime", "Occlusion",
    "ShapleyValueSampling", "ShapleyValues",
)  # fmt: skip
#: They draw from baselines, which are the same for all rows: each row goes alone.
DRAWS_BASELINES = ("DeepLiftShap", "GradientShap")
#: They draw random numbers.
DRAWN = (
    "FeaturePermutation", "GradientShap", "KernelShap", "Lime", "NoiseTunnel",
    "ShapleyValueSampling",
)  # fmt: skip
#: Their values sum to the target's change from the baseline.
SHARED_OUT = ("DeepLift", "IntegratedGradients", "ShapleyValueSampling", "ShapleyValues")
#: Their values sum to a change from baselines of their own, or nearly so.
NEARLY_SHARED_OUT = ("DeepLiftShap", "GradientShap", "InputXGradient", "KernelShap")
#: They ask what is without several groups at once.
COALITIONS = ("KernelShap", "Lime", "ShapleyValueSampling", "ShapleyValues")
#: Their values are slopes, in the target's unit a unit of the activation.
STEEPNESS = ("Deconvolution", "GuidedBackprop", "NoiseTunnel", "Saliency")
