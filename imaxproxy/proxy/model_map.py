"""Names under which clients ask for models, and what the engines call them."""

from collections.abc import Collection, Sequence
from dataclasses import dataclass, field

from imaxproxy.errors import UsageError


@dataclass(frozen=True, slots=True)
class Mapped:
    """What a public name stands for: an engine's model, at one upstream or (None) at any."""

    upstream: str | None
    model: str


@dataclass(frozen=True, slots=True)
class ModelMap:
    """Public name -> what it stands for. A name that is not in it means itself."""

    entries: dict[str, tuple[Mapped, ...]] = field(default_factory=dict)

    @classmethod
    def parse(cls, texts: Sequence[str], upstreams: Collection[str], flag: str = "--model-map") -> "ModelMap":
        """From `public=model` and `public=upstream:model`. Raises UsageError for anything else.

        A colon that no upstream's name stands before belongs to the model (`llama3:8b`).
        """
        entries: dict[str, tuple[Mapped, ...]] = {}
        for text in texts:
            public, equals, target = text.partition("=")
            upstream, colon, model = target.partition(":")
            mapped = Mapped(upstream, model) if colon and upstream in upstreams else Mapped(None, target)
            if not (public and equals and mapped.model):
                raise UsageError(
                    f"{flag} must be like public-name=engine-model or public-name=upstream:model, not {text!r}"
                )
            if any(mapped.upstream == other.upstream for other in entries.get(public, ())):
                raise UsageError(f"{flag} {text!r}: {public!r} has a model there already")
            entries[public] = (*entries.get(public, ()), mapped)
        return cls(entries)

    def __bool__(self) -> bool:
        return bool(self.entries)

    def model_at(self, upstream: str, public: str) -> str | None:
        """What this upstream calls the model; None when the map sends the name elsewhere."""
        if public not in self.entries:
            return public
        named = {mapped.upstream: mapped.model for mapped in self.entries[public]}
        return named.get(upstream, named.get(None))

    def public_names(self, upstream: str) -> list[tuple[str, str]]:
        """(public name, the upstream's own) of all models that the map finds there."""
        found = [(public, self.model_at(upstream, public)) for public in self.entries]
        return [(public, model) for public, model in found if model is not None]
