# SPDX-License-Identifier: Apache-2.0
"""Numbers of xc_scores against scikit-learn and statsmodels, to 1e-9, on random and on degenerate answers.

The library is loaded with ctypes, so the interface that programs use is what is compared. ECE has no
reference there: it is written out below.
"""
import ctypes as c, math, sys, warnings
import numpy as np
from scipy.special import log_softmax, softmax, expit
from sklearn import metrics as m
from statsmodels.stats.contingency_tables import mcnemar
from statsmodels.stats.proportion import proportion_confint

LOGITS, PROBABILITIES, ANSWERS = 0, 1, 2
warnings.simplefilter("ignore")  # of undefined metrics: that is what is tested
lib = c.CDLL(sys.argv[1])
lib.xc_error.restype = c.c_char_p
u32, u64, f64, ptr = c.c_uint32, c.c_uint64, c.c_double, c.c_void_p


class Opts(c.Structure):
    _fields_ = [("size", u32), ("kind", c.c_int), ("classes", u32), ("multi_label", c.c_bool), ("top", u32),
                ("bins", u32), ("folder", c.c_char_p)]


class Row(c.Structure):
    _fields_ = [("id", u64), ("score", ptr), ("answer", u32), ("probability", f64), ("label", u32), ("extra", ptr),
                ("extra_count", u32)]


class Interval(c.Structure):
    _fields_ = [(k, f64) for k in ("value", "low", "high")]


class Summary(c.Structure):
    _fields_ = [("rows", u64), ("top", u32), ("bins", u32), ("top1", Interval), ("topk", Interval)] + [
        (k, f64) for k in ("loss", "brier", "ece", "precision", "recall", "f1", "auc", "average_precision", "map_at_k",
                           "temperature")]


class ClassScores(c.Structure):
    _fields_ = [(k, u64) for k in ("support", "predicted", "hits")] + [
        (k, f64) for k in ("precision", "recall", "f1", "auc", "average_precision")]


class Threshold(c.Structure):
    _fields_ = [(k, f64) for k in ("threshold", "recall", "fpr", "precision")]


class Comparison(c.Structure):
    _fields_ = [(k, u64) for k in ("rows", "both", "only_a", "only_b", "neither")] + [("p", f64), ("statistic", f64)]


class Rejection(c.Structure):
    _fields_ = [(k, f64) for k in ("threshold", "tpr", "fpr", "auc")]


def ok(status):
    if status:
        raise RuntimeError(lib.xc_error().decode())


worst, checks = 0.0, 0


def same(what, got, expected, tolerance=1e-9):
    global worst, checks
    got, expected = np.asarray(got, float), np.asarray(expected, float)
    checks += 1
    if got.shape != expected.shape or not np.array_equal(np.isnan(got), np.isnan(expected)):
        raise SystemExit(f"{what}: {got}, expected {expected}")
    apart = np.nanmax(np.abs(got - expected), initial=0)
    worst = max(worst, float(apart))
    if apart > tolerance:
        raise SystemExit(f"{what}: {got}, expected {expected}: {apart:.3g} apart")


class Scores:
    """One row a picture; labels: a list of labels each."""

    def __init__(self, kind, x, labels, multi=False, top=3, bins=10, answers=None):
        classes = x.shape[1] if kind != ANSWERS else int(max(answers.max(), max(max(l) for l in labels))) + 1
        self.classes, self.bins, self.handle = classes, bins, ptr()
        opts = Opts(c.sizeof(Opts), kind, classes, multi, top, bins, None)
        ok(lib.xc_scores_new(c.byref(opts), c.byref(self.handle)))
        for i, l in enumerate(labels):
            row = Row(id=i, label=l[0], probability=math.nan)
            if kind != ANSWERS:
                score = np.ascontiguousarray(x[i], np.float64)
                row.score = score.ctypes.data
            else:
                row.answer, row.probability = int(answers[i]), float(x[i])
            more = np.asarray(l[1:], np.int32)
            row.extra, row.extra_count = (more.ctypes.data if len(more) else None), len(more)
            ok(lib.xc_scores_add(self.handle, c.byref(row)))

    def sum(self):
        s = Summary()
        ok(lib.xc_scores_sum(self.handle, c.byref(s)))
        return s

    def per_class(self):
        out = (ClassScores * self.classes)()
        ok(lib.xc_scores_classes(self.handle, out))
        return {k: np.array([getattr(o, k) for o in out]) for k, _ in ClassScores._fields_}

    def curve(self, k, room=100000):
        out, count = (Threshold * room)(), c.c_size_t()
        ok(lib.xc_scores_curve(self.handle, u32(k), out, c.c_size_t(room), c.byref(count)))
        return np.array([[getattr(p, f) for f, _ in Threshold._fields_] for p in out[:count.value]])

    def pick(self, k, rule):
        out = Threshold()
        ok(lib.xc_scores_pick(self.handle, u32(k), rule.encode(), c.byref(out)))
        return out

    def __del__(self):
        lib.xc_scores_free(self.handle)


def ece(confidence, right, bins):
    """Naeini et al. 2015 with bins (low, high], written out."""
    total = 0.0
    for b in range(bins):
        inside = (confidence > b / bins) & (confidence <= (b + 1) / bins)
        if b == 0:
            inside |= confidence == 0
        if inside.any():
            total += inside.sum() / len(confidence) * abs(confidence[inside].mean() - right[inside].mean())
    return total


def log_probability(logits):
    """Rounded as the library does it: which scores are equal decides what curves look like."""
    out = logits.astype(np.float64)
    for row in out:
        most, total = row.max(), 0.0
        for v in row:
            total += math.exp(v - most)
        row -= math.log(total) + most
    return out


def check_ranking(what, s, one_hot, ranked):
    """ranked: the numbers that sort each class; AUC and AP depend on their order alone."""
    got = s.per_class()
    for k in range(s.classes):
        y, x = one_hot[:, k], ranked[:, k]
        both = 0 < y.sum() < len(y)
        same(f"{what} auc {k}", got["auc"][k], m.roc_auc_score(y, x) if both else math.nan)
        same(f"{what} ap {k}", got["average_precision"][k], m.average_precision_score(y, x) if y.any() else 0)
        if not both:
            continue
        curve = s.curve(k)
        fpr, tpr, _ = m.roc_curve(y, x, drop_intermediate=False)
        same(f"{what} roc {k}", curve[:, [2, 1]], np.stack([fpr, tpr], 1)[1:])
        precision, recall, _ = m.precision_recall_curve(y, x)
        keep = len(precision) - 1
        same(f"{what} pr {k}", curve[::-1][:, [3, 1]], np.stack([precision, recall], 1)[:keep])
        f1 = 2 * precision * recall / np.maximum(precision + recall, 1e-300)
        best = s.pick(k, "f1")
        same(f"{what} f1 {k}", 2 * best.precision * best.recall / max(best.precision + best.recall, 1e-300), f1.max())
        p = s.pick(k, "recall=0.9")
        same(f"{what} recall {k}", p.fpr, fpr[np.argmax(tpr >= 0.9)])
        p = s.pick(k, "fpr=0.1")
        low = np.flatnonzero(fpr[1:] <= 0.1)
        same(f"{what} fpr {k}", p.recall, tpr[1:][low[-1]] if len(low) else math.nan)


def check_counts(what, s, label, answer):
    got, classes = s.per_class(), np.arange(s.classes)
    p, r, f, n = m.precision_recall_fscore_support(label, answer, labels=classes, zero_division=0)
    for name, expected in (("precision", p), ("recall", r), ("f1", f), ("support", n)):
        same(f"{what} {name}", got[name], expected)
    total, there = s.sum(), n > 0
    same(f"{what} macro", [total.precision, total.recall, total.f1], [p[there].mean(), r[there].mean(), f[there].mean()])
    hits = int((label == answer).sum())
    same(f"{what} top1", [total.top1.value, total.top1.low, total.top1.high],
         [hits / len(label), *proportion_confint(hits, len(label), method="wilson")])


def one_label(what, logits, label, top=3):
    n, classes = logits.shape
    for kind in (LOGITS, PROBABILITIES):
        p = softmax(logits.astype(np.float64), axis=1)
        if kind == PROBABILITIES:
            p /= p.sum(1, keepdims=True)
        s = Scores(kind, logits if kind == LOGITS else p, [[int(l)] for l in label], top=top)
        total = s.sum()
        check_counts(what, s, label, logits.argmax(1))
        same(f"{what} loss", total.loss, -log_softmax(logits.astype(np.float64), axis=1)[np.arange(n), label].mean()
             if kind == LOGITS else m.log_loss(label, p, labels=np.arange(classes)))
        one_hot = np.eye(classes)[label]
        if classes > 2:
            same(f"{what} brier", total.brier,
                 m.brier_score_loss(label, p, labels=np.arange(classes), scale_by_half=False))
        else:
            same(f"{what} brier", total.brier, 2 * m.brier_score_loss(label, p[:, 1], labels=[0, 1]))
        same(f"{what} ece", total.ece, ece(p.max(1), logits.argmax(1) == label, s.bins))
        if top < classes:
            order = np.argsort(-logits, axis=1, kind="stable")[:, :top]
            same(f"{what} top-k", total.topk.value, (order == label[:, None]).any(1).mean())
        check_ranking(what, s, one_hot, p if kind == PROBABILITIES else log_probability(logits))


def several_labels(what, rng, n, classes):
    logits = rng.normal(size=(n, classes)).astype(np.float32) * 2
    y = (rng.random((n, classes)) < expit(logits - 1)).astype(int)
    y[y.sum(1) == 0, 0] = 1
    s = Scores(LOGITS, logits, [list(map(int, np.flatnonzero(r))) for r in y], multi=True)
    check_ranking(what, s, y, logits.astype(np.float64))
    total, p = s.sum(), expit(logits.astype(np.float64))
    same(f"{what} loss", total.loss, -(np.where(y, np.log(p), np.log1p(-p))).sum() / n)
    same(f"{what} brier", total.brier, ((p - y) ** 2).mean())
    there = [k for k in range(classes) if y[:, k].any()]
    same(f"{what} map", total.average_precision, m.average_precision_score(y[:, there], logits[:, there], average="macro"))


def compare(rng):
    for a, b, both, neither in ((3, 9, 40, 5), (0, 0, 3, 0), (7, 7, 1, 1), (0, 4, 0, 0), (600, 700, 10, 10), (499, 501, 0, 0)):
        right_a = [1] * both + [1] * a + [0] * b + [0] * neither
        right_b = [1] * both + [0] * a + [1] * b + [0] * neither
        tables = [Scores(ANSWERS, np.full(len(r), 0.5), [[0]] * len(r), answers=1 - np.array(r + []) if 0 in r else
                         np.zeros(len(r), int)) for r in (right_a, right_b)]
        out = Comparison()
        ok(lib.xc_scores_compare(tables[0].handle, tables[1].handle, c.byref(out)))
        expected = mcnemar([[both, a], [b, neither]], exact=a + b <= 1000, correction=True)
        same("mcnemar", [out.both, out.only_a, out.only_b, out.neither, out.p, out.statistic],
             [both, a, b, neither, expected.pvalue if a + b else 1, expected.statistic])


def reject(rng):
    known, strange = rng.normal(size=(500, 6)) * 3 + 1, rng.normal(size=(700, 6)) * 2
    known, strange = known.astype(np.float32), strange.astype(np.float32)
    a, b = Scores(LOGITS, known, [[0]] * 500), Scores(LOGITS, strange, [[0]] * 700)
    for kind, score in ((1, lambda x: x.max(1)), (2, lambda x: np.logaddexp.reduce(x.astype(np.float64), axis=1))):
        out = Rejection()
        ok(lib.xc_scores_reject(a.handle, b.handle, kind, f64(0.95), c.byref(out)))
        x, y = np.concatenate([score(known), score(strange)]), np.repeat([1, 0], [500, 700])
        fpr, tpr, thresholds = m.roc_curve(y, x, drop_intermediate=False)
        at = np.argmax(tpr >= 0.95)
        same("reject", [out.auc, out.fpr, out.tpr, out.threshold],
             [m.roc_auc_score(y, x), fpr[at], tpr[at], thresholds[at]])


def main():
    for seed in range(6):
        rng = np.random.default_rng(seed)
        n, classes = (40, 700, 300)[seed % 3], (3, 12, 2)[seed % 3]
        logits = (rng.normal(size=(n, classes)) * 3).astype(np.float32)
        if seed >= 3:
            logits = np.round(logits)  # many equal scores
        label = np.where(rng.random(n) < 0.6, logits.argmax(1), rng.integers(classes, size=n))
        one_label(f"seed {seed}", logits, label)
        several_labels(f"several, seed {seed}", rng, n, classes)
    rng = np.random.default_rng(9)
    one_label("one picture", rng.normal(size=(1, 4)).astype(np.float32), np.array([2]))
    one_label("one class there", rng.normal(size=(50, 4)).astype(np.float32), np.full(50, 1))
    one_label("all right", 9 * np.eye(5, dtype=np.float32)[np.arange(50) % 5], np.arange(50) % 5)
    one_label("all wrong", 9 * np.eye(5, dtype=np.float32)[np.arange(50) % 5], (np.arange(50) + 1) % 5)
    one_label("all equal", np.zeros((30, 3), np.float32), np.arange(30) % 3)
    one_label("sure", (60 * np.eye(3)[np.arange(30) % 3]).astype(np.float32), np.arange(30) % 3)
    compare(rng)
    reject(rng)
    print(f"scores: {checks} comparisons, largest difference {worst:.2g}")


main()
