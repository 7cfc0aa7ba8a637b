"""Findings of the audit, as ``audit`` of ``results.json``."""

from __future__ import annotations

from typing import TYPE_CHECKING

from headstart.results.models.audit import AgreementFacts, AuditFacts, Extent, NearDuplicateFacts, UnreadableImage

if TYPE_CHECKING:
    from headstart.data.audit.audit import Audit


def audit_facts(audit: Audit, near_duplicates: NearDuplicateFacts, agreement: AgreementFacts | None) -> AuditFacts:
    """The audit as a run keeps it: its warnings stand among those of the run."""
    found = audit.to_json()
    return AuditFacts(
        n_images=audit.n_images,
        class_counts=audit.class_counts,
        unreadable=tuple(UnreadableImage(image=name, reason=reason) for _, name, reason in audit.unreadable),
        formats=audit.formats,
        modes=audit.modes,
        width=Extent(**found["width"]),
        height=Extent(**found["height"]),
        multi_page=audit.multi_page,
        duplicates=tuple(tuple(names) for names in found["duplicates"]),
        label_conflicts=tuple(tuple(names) for names in found["label_conflicts"]),
        near_duplicates=near_duplicates,
        agreement=agreement,
        file_facts=found["file_facts"] or None,
    )
