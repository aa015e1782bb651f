"""What the wheel holds beside the package: the ledger of results, from which lessons take numbers once installed."""

from hatchling.builders.hooks.plugin.interface import BuildHookInterface


class LedgerHook(BuildHookInterface):
    def initialize(self, version: str, build_data: dict) -> None:
        # An editable installation reads the clone's own. A copy of it in `site-packages/fmlib` would be a folder that can be
        # imported as a namespace package once the clone has gone.
        if version != "editable":
            build_data["force_include"]["book/results.json"] = "fmlib/results.json"
