"""Every setting by its leaf: which kinds of parts have it, its default, and what it means."""

from __future__ import annotations

from functools import cache

from pydantic.fields import FieldInfo

from grokscope.experiment.experiment import Experiment
from grokscope.experiment.part import COUNTED_SETTINGS, PARTS, Own
from grokscope.experiment.tasks import Counted


@cache
def setting_fields() -> dict[str, dict[str, FieldInfo]]:
    """The fields of each setting by the kinds that have it, built-in ones only.

    >>> list(setting_fields()["depth"])
    ['DeepMLPSettings', 'TransformerSettings', 'ImageMLPSettings']
    """
    kinds = [Experiment, *(kind for kinds in PARTS.values() for kind in kinds)]
    owners: dict[str, dict[str, FieldInfo]] = {}
    for kind in kinds:
        for name, field in kind.model_fields.items():
            is_given = name != "name" and name not in (*PARTS, *COUNTED_SETTINGS)
            if is_given and not issubclass(kind, (Own, Counted)):
                owners.setdefault(name, {})[kind.__name__] = field
    return owners


def meaning(name: str) -> str:
    """What a setting means, by its leaf; nothing for a setting of a user's own code.

    >>> meaning("corruption_fraction")
    'ξ, the share of training labels drawn anew'
    """
    fields = setting_fields().get(name, {})
    return next((str(field.description) for field in fields.values()), "")
