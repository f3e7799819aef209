"""All scenarios, by name: importing the modules enters them."""

from . import scenarios_flux, scenarios_node, scenarios_pods
from .stage import SCENARIOS, play

__all__ = ["SCENARIOS", "play", "scenarios_flux", "scenarios_node", "scenarios_pods"]
