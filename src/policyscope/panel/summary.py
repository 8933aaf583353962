"""Return and outcomes of a recording, each with its interval and sample size."""

from dataclasses import dataclass

import pandas as pd

from policyscope.core.stats import bootstrap_mean, wilson
