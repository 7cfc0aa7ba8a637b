"""The methods paragraph: what was done, in words ready to paste into a paper, with its references."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from headstart.report.sections.baselines import transfer_sentences
from headstart.report.sections.decisions import decision_sentences
from headstart.report.sections.labels import label_references, labels_sentences
from headstart.report.text import format as text
from headstart.report.text.metric_names import metric_in_sentence, ordered_metrics

SOURCE = (
    "A. Brodzicki, M. Piekarski, D. Kucharski, J. Jaworek-Korjakowska, M. Gorgon. Transfer Learning Methods as a New "
    "Approach in Computer Vision Tasks with Small Datasets. Foundations of Computing and Decision Sciences 45(3), "
    "179-193, 2020. DOI 10.2478/fcds-2020-0010."
)
# By the authors as the interval's method names them in its reference; any other reference is cited as it stands.
_KNOWN_REFERENCES = {
    "Nadeau & Bengio": "C. Nadeau, Y. Bengio. Inference for the Generalization Error. Machine Learning 52, 239-281, "
    "2003. DOI 10.1023/A:1024068626366.",
    "Bates, Hastie": "S. Bates, T. Hastie, R. Tibshirani. Cross-Validation: What Does It Estimate and How Well Does It "
    "Do It? Journal of the American Statistical Association 119(546), 1434-1445, 2024. "
    "DOI 10.1080/01621459.2023.2197686.",
    "Franco, Little, Louis, Slud": "C. Franco, R. J. A. Little, T. A. Louis, E. V. Slud. Comparative Study of "
    "Confidence Intervals for Proportions in Complex Sample Surveys. Journal of Survey Statistics and Methodology "
    "7(3), 2019. PMC6690503.",
}
_CITED_SOFTWARE = ("python", "torch", "timm", "scikit-learn", "numpy")
_SECONDARY = ("accuracy", "balanced_accuracy", "recall", "specificity", "mcc", "roc_auc")


def methods_text(results: Mapping[str, Any], versions: Mapping[str, Any]) -> str:
    """Methods paragraph and numbered references as plain text.

    Parameters
    ----------
    results : mapping
        Content of ``results.json``.
    versions : mapping
        Package versions from ``timings.json``.
    """
    sentences = [
        _data(results["task"]),
        *labels_sentences(results),
        _features(results),
        *_engine(results, versions),
        *_treatment(results),
        _choice(results),
        _scores(results),
        *transfer_sentences(results),
        *decision_sentences(results),
        _interval(results),
        f"The final model ({results['final_model']['label']}) was then trained on all images.",
        _software(results, versions),
    ]
    numbered = [f"[{i}] {entry}" for i, entry in enumerate(references(results), start=1)]
    return "\n\n".join([" ".join(sentences), "\n".join(numbered)])


def references(results: Mapping[str, Any]) -> tuple[str, ...]:
    """The source of the approach, then what the interval and the agreement of raters rest on."""
    named = [part.strip() for part in results["protocol"]["interval"]["reference"].split(";")]
    return (SOURCE, *dict.fromkeys(_spelled_out(part) for part in named if part), *label_references(results))


def _spelled_out(reference: str) -> str:
    known = [entry for authors, entry in _KNOWN_REFERENCES.items() if authors in reference]
    return known[0] if known else f"{reference.rstrip('.')}."


def _data(task: Mapping[str, Any]) -> str:
    counts = text.listed([f"{name}: {text.count(task['class_counts'][name])}" for name in task["classes"]], limit=20)
    sentence = (
        f"The data set held {text.plural(task['n_images'], 'image')} of {len(task['classes'])} classes ({counts})"
    )
    if task.get("n_groups"):
        sentence += f" in {text.plural(task['n_groups'], 'group')}; images of one group were never split apart"
    weighted = " All scores are weighted by the given image weights." if task["weighted"] else ""
    return f"{sentence}.{weighted}"


def random_weights(backbone: Mapping[str, Any]) -> bool:
    """Whether the backbone of a run was never trained on any image."""
    return str(backbone["weights"].get("source", "")).startswith("random")


def _features(results: Mapping[str, Any]) -> str:
    if len(results["sources"]) > 1:
        return _features_of_several(results["sources"])
    backbone = results["backbone"]
    width = f"{backbone['feature_width']:,} " if backbone.get("feature_width") else ""
    stage = f" at stage {backbone['stage']}" if backbone.get("stage") else ""
    kept = f"was kept frozen and its {width}features{stage} were computed once for every image."
    source = backbone["weights"].get("source")
    if random_weights(backbone):
        return (
            f"As a baseline for the approach of [1], {backbone['name']} with weights drawn at random, which no image "
            f"had ever trained, {kept}"
        )
    weights = f" (pretrained weights: {source})" if source else ""
    return f"Following the feature extraction strategy of transfer learning [1], {backbone['name']}{weights} {kept}"


def _features_of_several(sources: Sequence[Mapping[str, Any]]) -> str:
    """Every source with its weights; random ones are named as such."""
    told = [
        f"{source['label']} ({_weights_words(source)}; {source['feature_width']:,} features at stage {source['stage']})"
        for source in sources
    ]
    all_random = all(random_weights(source) for source in sources)
    approach = (
        "As baselines for the approach of"
        if all_random
        else "Following the feature extraction strategy of transfer learning"
    )
    return (
        f"{approach} [1], {len(sources)} sources of features "
        f"competed: {text.listed(told, limit=40)}. Their networks were kept frozen and the features of each were "
        "computed once for every image."
    )


_BALANCING = {
    "weights": "class weights",
    "oversample": "random oversampling",
    "undersample": "random undersampling",
    "smote": "SMOTE",
    "borderline-smote": "Borderline-SMOTE",
    "views": "views of the smaller classes",
}


def _treatment(results: Mapping[str, Any]) -> list[str]:
    """What competed in the training folds beside heads, in words; nothing where nothing did."""
    rows = results["search"].get("treatments", ())
    balance = [_BALANCING.get(name, name) for name in dict.fromkeys(row["balance"] for row in rows) if name != "none"]
    augment = [name for name in dict.fromkeys(row["augment"] for row in rows) if name != "none"]
    found = []
    if balance:
        found.append(
            f"Uneven classes were treated within training folds alone ({text.listed(balance, limit=20)}), in the space "
            "of features."
        )
    if augment:
        mean = " Predictions are means over the views of an image." if any(row["tta"] for row in rows) else ""
        found.append(f"Heads were trained on views of the images too ({text.listed(augment, limit=20)}).{mean}")
    if found and len(rows) > 1:
        found.append(f"The {len(rows)} combinations competed as settings of the candidates.")
    return found


def _weights_words(source: Mapping[str, Any]) -> str:
    if random_weights(source):
        return "weights drawn at random, which no image had ever trained"
    return f"pretrained weights: {source['weights'].get('source')}"


def _engine(results: Mapping[str, Any], versions: Mapping[str, Any]) -> list[str]:
    """How the forward passes were computed, and how near that is to fp32; nothing for runs that do not say."""
    sources = results["sources"]
    if len(sources) > 1:
        found = [_engine_words(source["engine_record"], versions, f" of {source['label']}") for source in sources]
    else:
        found = [_engine_words(results["engine"], versions, "")]
    return [words for words in found if words]


def _engine_words(record: Mapping[str, Any], versions: Mapping[str, Any], of_what: str) -> str:
    if "label" not in record:
        return ""
    openvino = record["used"].get("engine") == "openvino" and "openvino" in versions
    version = f" (version {versions['openvino']})" if openvino else ""
    said = f"The forward pass{of_what} was computed by {record['label']}{version}"
    parity = record.get("parity") or {}
    if parity.get("relative_error") is None or parity.get("agreement") is None:
        return f"{said}."
    sentences = [
        f"{said}; on {text.plural(parity['n_images'], 'image')} its features differed from those of plain "
        f"torch in fp32 by {parity['relative_error']:.2g} of their spread (root mean square), and a linear probe gave "
        f"the same class for {100 * parity['agreement']:.1f} %."
    ]
    if cost := record.get("accuracy_cost"):
        low, high = cost["ci95"]
        sentences.append(
            f"The probe's accuracy was {cost['int8']:.3f} in int8 and {cost['fp32']:.3f} in fp32 (difference 95 % "
            f"interval {low:+.3f} to {high:+.3f}, {text.plural(cost['n_images'], 'image')})."
        )
    return " ".join(sentences)


def _choice(results: Mapping[str, Any]) -> str:
    n_candidates = n_tried(results)
    kinds = text.listed(sorted({text.words(kind) for kind in results["search"]["kinds"]}))
    score = metric_in_sentence(results["protocol"]["choose_by"])
    choice = n_candidates > 1
    tried = f"{n_candidates:,} candidates ({kinds}) were" if choice else f"One candidate ({kinds}) was"
    halved = (
        " Successive halving on the inner folds dropped the weaker candidates early."
        if results["search"]["halving"]
        else ""
    )
    return f"{tried} trained on these features.{halved} {_protocol(results['protocol'], score, choice=choice)}"


def n_tried(results: Mapping[str, Any]) -> int:
    """Number of candidates that were tried; ``results.json`` lists the best of many only."""
    return int(results["search"]["n_candidates"])


def _protocol(protocol: Mapping[str, Any], score: str, *, choice: bool) -> str:
    kind, _, shape = protocol["scheme"].partition(":")
    describe = _holdout if kind == "holdout" else _cross_validation
    return describe(protocol, shape, score, choice=choice)


def _holdout(protocol: Mapping[str, Any], shape: str, score: str, *, choice: bool) -> str:
    """Of the parts, training and validation together fit what the test part judges; validation alone chooses it."""
    train, validation, test = (float(part) for part in shape.split("/"))
    fitted = f"on {train + validation:g} % of the images and judged once on the remaining {test:g} %"
    repeats = protocol["repeats"]
    where = "a stratified partition" if repeats == 1 else f"{repeats} stratified partitions, drawn anew and averaged"
    lead = (
        f"After training on {train:g} % of the images, one candidate was chosen by {score} on another "
        f"{validation:g} %; it was then fitted on both parts together, that is {fitted},"
        if choice
        else f"It was fitted {fitted},"
    )
    return f"{lead} in {where} {_identity(protocol)}."


def _cross_validation(protocol: Mapping[str, Any], shape: str, score: str, *, choice: bool) -> str:
    """With outer folds of the user nothing is claimed of their balance; the inner ones are drawn by class always."""
    outer, _, inner = shape.partition("x")
    own = bool(protocol.get("own_folds"))
    scheme = "nested cross-validation" if choice else "cross-validation"
    drawn, folds = ("", "outer folds as given by the user") if own else ("stratified ", "outer folds")
    repeats = f", repeated {protocol['repeats']} times" if protocol["repeats"] > 1 else ""
    chosen = f" The choice was made by {score} on {inner} inner folds of the training part alone." if choice else ""
    return f"Performance was estimated by {drawn}{scheme} with {outer} {folds}{repeats} {_identity(protocol)}.{chosen}"


def _identity(protocol: Mapping[str, Any]) -> str:
    return f"(seed {protocol['seed']}, split {protocol['split_hash'][:12]})"


def _scores(results: Mapping[str, Any]) -> str:
    first = results["headline"]["metric"]
    entries = results["metrics"]
    names = [first, *(name for name in ordered_metrics(entries) if name in _SECONDARY and name != first)]
    said = [f"{metric_in_sentence(name)} {text.estimate(entries[name])}" for name in names if name in entries]
    positive = results["task"]["positive"]
    about = f" with {positive!r} as the positive class" if positive is not None else ""
    return f"On images held out from training{about}, the results were (95 % interval): {text.listed(said)}."


def _interval(results: Mapping[str, Any]) -> str:
    interval = results["protocol"]["interval"]
    cited = ", ".join(f"[{i}]" for i in range(2, len(references(results)) + 1))
    method = f"{interval['method'].rstrip('.')} {cited}".strip()
    return f"Intervals speak of {_lower_first(interval['speaks_of'].rstrip('.'))}; method: {method}."


def _software(results: Mapping[str, Any], versions: Mapping[str, Any]) -> str:
    others = [f"{name} {versions[name]}" for name in _CITED_SOFTWARE if name in versions]
    tail = f" with {text.listed(others)}" if others else ""
    return f"All computations were done in headstart {results['headstart']}{tail}."


def _lower_first(sentence: str) -> str:
    return sentence[:1].lower() + sentence[1:]
