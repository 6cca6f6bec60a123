"""The jobs that sensors, schedules and the command line start."""

import dagster as dg

# Built for days that a person asks for in a backfill.
_HISTORY = dg.AssetSelection.assets("profiles/history", "predictions/score_history")
# Everything from the exports to the segments; nothing that sends.
SENDING = dg.AssetSelection.assets(
    "activation/plans", "activation/messages", "activation/product_feeds"
)
BUILD_SELECTION = dg.AssetSelection.all() - SENDING - _HISTORY

build_job = dg.define_asset_job(
    "build",
    selection=BUILD_SELECTION,
    description="Takes in the exports and builds every table up to the segments. Sends nothing.",
)
ingest_job = dg.define_asset_job(
    "ingest",
    selection=dg.AssetSelection.groups("raw", "staging", "core"),
    description="Takes in the exports and brings core up to date; the rest follows by itself.",
)
activation_job = dg.define_asset_job(
    "activation",
    selection=SENDING,
    description="Plans what changed in the segments, and sends it.",
)
JOBS = [build_job, ingest_job, activation_job]
