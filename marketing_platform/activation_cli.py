"""`marketing-platform activation`: what was sent, and what could not be."""

from __future__ import annotations

from typing import Annotated, Literal

import typer

from marketing_platform.settings import load_settings
from marketing_platform.terminal import terminal
from marketing_platform.wording import counted

activation_app = typer.Typer(no_args_is_help=True, help="Look after what was sent.")
SuppressedChannel = Literal["email", "sms", "push", "all"]
SuppressedReason = Literal["erased", "unsubscribed", "complaint", "hard_bounce"]
AsJson = Annotated[bool, typer.Option("--json", help="Print JSON.")]


@activation_app.command("explain")
def explain(
    customer: Annotated[str, typer.Argument(help="Id of a customer or contact, e-mail, phone.")],
    as_json: AsJson = False,
) -> None:
    """Show what a person was told, and why they are told something, or nothing, by each rule."""
    from marketing_platform.commands import sending

    sending.show_story(terminal(), load_settings(), customer, as_json=as_json)


@activation_app.command("lift")
def lift(as_json: AsJson = False) -> None:
    """Show what telling is worth: what those bought who were told, and those held out."""
    from marketing_platform.commands import sending

    sending.show_lift(terminal(), load_settings(), as_json=as_json)


@activation_app.command("failures")
def failures(as_json: AsJson = False) -> None:
    """List messages that were given up, with the receiver's words."""
    from marketing_platform.commands import sending

    sending.show_failures(terminal(), load_settings(), as_json=as_json)


@activation_app.command("retry")
def retry(
    destination: Annotated[str | None, typer.Option(help="Only of this destination.")] = None,
    segment: Annotated[str | None, typer.Option(help="Only of this segment.")] = None,
    include_unknown: Annotated[
        bool,
        typer.Option("--include-unknown", help="Also those that may have arrived after all."),
    ] = False,
) -> None:
    """Give failed messages another chance; the next activation sends them."""
    from marketing_platform.activation import retry
    from marketing_platform.state import open_state

    settings = load_settings()
    state = open_state(settings.state_url.get_secret_value())
    rules = settings.platform.activations
    # The ledger has a name for what each rule tells of a segment.
    names = {segment, *(rule.name for rule in rules if segment and rule.segment == segment)}
    count = sum(
        retry(state, destination=destination, audience=name, include_unknown=include_unknown)
        for name in names
    )
    print(f"{counted(count, 'message waits', 'messages wait')} for the next activation")


@activation_app.command("held")
def held(as_json: AsJson = False) -> None:
    """List the audiences that are held for a person to look at, and why."""
    from marketing_platform.commands import sending

    sending.show_held(terminal(), load_settings(), as_json=as_json)


@activation_app.command("release")
def release(
    plan: Annotated[int, typer.Argument(help="The number of the held plan.")],
    by: Annotated[str, typer.Option(help="Who has looked at it.")],
) -> None:
    """Let a plan go that its size holds. The next activation sends it, if it is still the same."""
    from marketing_platform.activation import release
    from marketing_platform.state import open_state

    state = open_state(load_settings().state_url.get_secret_value())
    destination, audience = release(state, plan, by)
    print(
        f"{audience} -> {destination} goes with the next activation, if it is still the same and"
        " only its size holds it"
    )


@activation_app.command("feed")
def feed(
    name: Annotated[str, typer.Argument(help="The feed, by its name under feeds.")],
) -> None:
    """Write a held product feed although it loses many offers."""
    from marketing_platform.commands.sending import accept_feed

    print(accept_feed(load_settings(), name))


@activation_app.command("suppress")
def suppress(
    customers: Annotated[
        list[str], typer.Argument(help="Ids of customers or contacts, e-mails, phones.")
    ],
    channel: Annotated[SuppressedChannel, typer.Option(help="By which channel.")] = "all",
    reason: Annotated[SuppressedReason, typer.Option(help="Why.")] = "unsubscribed",
    take_back: Annotated[bool, typer.Option("--take-back", help="Allow it again.")] = False,
) -> None:
    """Never write to these people again: checked at the moment of sending."""
    from marketing_platform.commands import sending

    settings = load_settings()
    if take_back:
        for line in sending.allow_again(settings, customers, channel):
            print(line)
        return
    count = sending.suppress_customers(settings, customers, channel, reason)
    print(f"{counted(count, 'customer')} suppressed")
