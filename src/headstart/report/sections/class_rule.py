"""Classes decided on by the least expected cost or by the mean over ordered classes: their scores and costs."""

from __future__ import annotations

from headstart.report.context import ReportContext
from headstart.report.document import Block, ReportTable, Section, Text
from headstart.report.locale.messages import mark, tr
from headstart.report.sections import Drawn, register_section
from headstart.report.text import format as text
from headstart.report.text.methods import MethodsPart, MethodsSentence
from headstart.report.text.metric_names import metric_title, ordered_metrics
from headstart.results.models.decisions import ClassRuleFacts, ClassRuleResults, CostFacts
from headstart.results.read import RunRecord

_RULES = {
    "costs": mark("the class of the least expected cost"),
    "expected": mark("the class nearest to the mean over the ordered classes"),
}


def class_rule_sentences(context: ReportContext) -> list[MethodsSentence]:
    """How the class was decided on; nothing where it was the most probable."""
    decisions = context.record.results.decisions
    if decisions is None or decisions.class_rule is None or decisions.requested.class_rule is None:
        return []
    predicted, cost = tr(_RULES[decisions.requested.class_rule.kind]), decisions.class_rule.mean_cost
    if cost is None:
        words = tr("Of every image {predicted} was predicted.", predicted=predicted)
    else:
        words = tr(
            "Of every image {predicted} was predicted; the mean cost of an image was {cost}.",
            predicted=predicted,
            cost=text.estimate(cost),
        )
    return [MethodsSentence(MethodsPart.RESULTS, words)]


@register_section("class-rule", after="decisions", methods=class_rule_sentences)
def class_rule_section(context: ReportContext, drawn: Drawn) -> Section | None:
    """The section of the rule of classes; None for runs without one."""
    record = context.record
    decisions = record.results.decisions
    if decisions is None or decisions.class_rule is None or decisions.requested.class_rule is None:
        return None
    rule, found = decisions.requested.class_rule, decisions.class_rule
    blocks: list[Block] = [Text(_words(rule)), _scores(record, rule, found), _confusion(record, rule, found)]
    if rule.costs is not None:
        blocks.append(_costs(rule.costs))
    return Section("class-rule", tr("Classes decided on by {rule}", rule=rule.words()), tuple(blocks))


def _words(rule: ClassRuleFacts) -> str:
    if rule.kind == "costs":
        how = tr(
            "An image is predicted to be of the class whose expected cost is the least, by the table of costs below."
        )
    else:
        how = tr(
            "An image is predicted to be of the class nearest to the mean over the ordered classes. That errs less "
            "widely, and less often hits exactly, than the most probable class."
        )
    scope = tr(
        "The scores of this section, and the column `predicted` of predictions.csv, are of these classes on held-out "
        "images; all other scores of the page are of the most probable class."
    )
    return f"{how} {scope}"


def _scores(record: RunRecord, rule: ClassRuleFacts, found: ClassRuleResults) -> ReportTable:
    most_probable = record.results.metrics
    rows = [
        (
            metric_title(name),
            text.estimate(found.metrics[name]),
            text.estimate(most_probable[name]) if name in most_probable else text.missing(),
        )
        for name in ordered_metrics(found.metrics)
    ]
    if found.mean_cost is not None and found.most_probable_cost is not None:
        rows.insert(0, (tr("Mean cost"), text.estimate(found.mean_cost), text.estimate(found.most_probable_cost)))
    columns = (
        tr("Score"),
        tr("By {rule} (95 % interval)", rule=rule.words()),
        tr("Of the most probable class (95 % interval)"),
    )
    return ReportTable(tr("Scores of the classes decided on"), columns, tuple(rows))


def _confusion(record: RunRecord, rule: ClassRuleFacts, found: ClassRuleResults) -> ReportTable:
    rows = tuple(
        (name, *(text.count(cell) for cell in counts))
        for name, counts in zip(record.classes, found.confusion, strict=True)
    )
    caption = tr("Confusion matrix by {rule}: rows true, columns predicted", rule=rule.words())
    return ReportTable(caption, (tr("True class"), *record.classes), rows)


def _costs(costs: CostFacts) -> ReportTable:
    rows = tuple(
        (name, *(text.score(cost) for cost in line)) for name, line in zip(costs.classes, costs.values, strict=True)
    )
    return ReportTable(tr("Costs: rows true, columns predicted"), (tr("True class"), *costs.classes), rows)
