"""Attribution: how much of a target each input, unit, entity or step accounts for."""
