"""Makes the destinations that the settings name."""

from __future__ import annotations

from marketing_platform.destinations.base import Destination
from marketing_platform.destinations.files import Files
from marketing_platform.destinations.webhook import Webhook
from marketing_platform.settings import FilesDestination, Settings

IDENTIFYING = ("customer_id", "source_contact_id")


def make_destination(name: str, settings: Settings) -> Destination:
    """The destination `name` of `config/platform.yaml`."""
    declared = settings.platform.destinations[name]
    if isinstance(declared, FilesDestination):
        return Files(name, declared, settings.feeds_dir, feed_columns(name, settings))
    return Webhook(name, declared)


def feed_columns(name: str, settings: Settings) -> dict[str, list[str]]:
    """The columns of each audience that goes to the destination `name`."""
    return {
        rule.segment: list(dict.fromkeys((*IDENTIFYING, *rule.attributes)))
        for rule in settings.platform.activations
        if rule.destination == name
    }
