"""The report's plots as SVG inside the page: drawn by matplotlib, coloured by the page, each dot a link to its case."""

import html
import io
import re
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import Any

import matplotlib
import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import FormatStrFormatter, LogLocator, NullFormatter

from evaluation.agreement import Agreement
from evaluation.ranking import Ranking
from evaluation.run import CaseResult, Settings
from evaluation.shown import MOST_CASES

# Stand-ins, which become colours of the page, light or dark.
INK, MUTED, GRID = "#000001", "#000002", "#000005"
STRUCTURE = {"GTVp": "#000003", "GTVnd": "#000004"}
VARIABLES = {
    INK: "--ink",
    MUTED: "--muted",
    GRID: "--grid",
    STRUCTURE["GTVp"]: "--gtvp",
    STRUCTURE["GTVnd"]: "--gtvnd",
}
WIDTH, HEIGHT = 4.4, 3.0  # inches
STYLE: dict[Any, Any] = {
    "svg.fonttype": "none",
    "svg.hashsalt": "gtvseg",
    "font.size": 9,
    "axes.edgecolor": MUTED,
    "axes.labelcolor": INK,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.grid": True,
    "axes.axisbelow": True,
    "grid.color": GRID,
    "text.color": INK,
    "xtick.color": MUTED,
    "ytick.color": MUTED,
    "xtick.labelcolor": INK,
    "ytick.labelcolor": INK,
}
LONGEST_NAME = 40


@dataclass(frozen=True)
class Dot:
    """One case's value (x, y): case is its number in the page, words what is shown where the pointer is."""

    x: float
    y: float
    case: int
    words: str


class Plot:
    """A figure with one axes, that notes what its dots say."""

    def __init__(self, height: float = HEIGHT) -> None:
        self.words: list[str] = []
        with matplotlib.rc_context(STYLE):
            self.figure = Figure((WIDTH, height), layout="constrained")
            self.figure.patch.set_alpha(0)
            self.axes: Axes = self.figure.subplots()
            self.axes.patch.set_alpha(0)

    def dots(self, dots: Sequence[Dot], colour: str) -> None:
        """Each a link to its case, if the page shows it."""
        if dots:
            placed = self.axes.scatter(
                [d.x for d in dots],
                [d.y for d in dots],
                s=[20.0] * len(dots),
                c=[colour] * len(dots),
                alpha=0.75,
                linewidths=0,
                zorder=3,
            )
            # A number for what it says, too: the same case has other words in other places.
            placed.set_urls([f"#case-{d.case}--{len(self.words) + k}" for k, d in enumerate(dots)])
            self.words += [d.words for d in dots]

    def box(self, numbers: list[float], at: float, width: float) -> None:
        """A box plot that lies, without outliers: they are among the dots."""
        lines: dict[str, Any] = {
            f"{part}props": {"color": INK} for part in ("box", "whisker", "cap", "median")
        }
        style: dict[str, Any] = {"orientation": "horizontal", "showfliers": False, **lines}
        self.axes.boxplot([numbers], positions=[at], widths=width, **style)

    def svg(self, title: str) -> str:
        """For the page; the title is its text for those who do not see it."""
        buffer = io.StringIO()
        nothing = {"Creator": None, "Date": None, "Format": None, "Type": None}
        with matplotlib.rc_context(STYLE):
            self.figure.savefig(buffer, format="svg", metadata=nothing)
        text = buffer.getvalue()
        text = text[text.index("<svg") :]
        text = re.sub(r"<style.*?</style>|<defs>\s*</defs>", "", text, flags=re.DOTALL)
        text = re.sub(r' xmlns(:xlink)?="[^"]*"| width="[\d.]+pt"| height="[\d.]+pt"', "", text)
        for stand_in, variable in VARIABLES.items():
            text = text.replace(stand_in, f"var({variable})")
        text = re.sub(r'<a xlink:href="#case-(\d+)--(\d+)"[^>]*>', self._link, text)
        return text.replace("<svg", f'<svg role="img" aria-label="{html.escape(title)}"', 1)

    def _link(self, found: re.Match[str]) -> str:
        place = f' href="#case-{found[1]}"' if int(found[1]) < MOST_CASES else ""
        return f"<a{place}><title>{html.escape(self.words[int(found[2])])}</title>"


Value = Callable[[str, CaseResult], float]


def distribution(title: str, values: dict[str, list[Dot]]) -> str:
    """A raincloud for each structure, of the dots' x: how they are spread, box, and every case."""
    plot = Plot(0.75 + 0.95 * len(values))
    rng = np.random.default_rng(0)
    for row, (structure, dots) in enumerate(values.items()):
        colour, at = STRUCTURE[structure], len(values) - 1 - row
        numbers = [d.x for d in dots]
        cloud = plot.axes.violinplot(
            [numbers], [at + 0.12], orientation="horizontal", side="high", widths=0.7, showextrema=False
        )
        for body in cloud["bodies"]:  # type: ignore[attr-defined]
            body.set(facecolor=colour, alpha=0.35, linewidth=0)
        plot.box(numbers, at, 0.13)
        height = rng.uniform(-0.36, -0.14, len(dots))
        plot.dots([Dot(d.x, at + y, d.case, d.words) for d, y in zip(dots, height, strict=True)], colour)
    plot.axes.set(xlabel=title, ylim=(-0.5, len(values) - 0.4))
    plot.axes.set_yticks(range(len(values)), list(values)[::-1])
    return plot.svg(f"{title}: distribution over the cases")


def paired(title: str, columns: Sequence[str], pairs: dict[str, list[tuple[Dot, Dot]]]) -> str:
    """Two values of each case joined by a line, by structure; the dots' y."""
    plot = Plot()
    for number, (structure, joined) in enumerate(pairs.items()):
        left, colour = 2.4 * number, STRUCTURE.get(structure, INK)
        for one, other in joined:
            plot.axes.plot(
                [left, left + 1], [one.y, other.y], color=colour, alpha=0.3, linewidth=0.8, zorder=2
            )
        for side in range(2):
            plot.dots([Dot(left + side, d[side].y, d[side].case, d[side].words) for d in joined], colour)
    names = [f"{name}\n{s}".strip() for s in pairs for name in columns]
    places = [2.4 * number + side for number in range(len(pairs)) for side in range(2)]
    plot.axes.set_xticks(places, names, parse_math=False)
    plot.axes.set(ylabel=title, xlim=(-0.5, 2.4 * len(pairs) - 0.9))
    return plot.svg(f"{title}: pairs of values of each case")


def bland_altman(found: Agreement, dots: list[Dot]) -> str:
    """Both volumes' mean (x) and their difference (y), with bias and limits of agreement."""
    plot = Plot()
    plot.dots(dots, STRUCTURE[found.structure])
    lines = [("bias", found.bias_cm3, "solid")]
    if found.limits_cm3:
        lines += [(f"{sign}1.96 sd", mm, "dashed") for sign, mm in zip("−+", found.limits_cm3, strict=True)]
    for name, at, style in lines:
        plot.axes.axhline(at, color=INK, linewidth=1, linestyle=style)
        label = f"{name} {at:+.1f}"
        edge = plot.axes.get_yaxis_transform()
        place: dict[str, Any] = {"xycoords": edge, "xytext": (0, 3), "textcoords": "offset points"}
        plot.axes.annotate(label, (1, at), ha="right", va="bottom", color=INK, fontsize=8, **place)
    plot.axes.axhline(0, color=MUTED, linewidth=0.6)
    plot.axes.set(xlabel="mean of both volumes [cm³]", ylabel="prediction − reference [cm³]")
    plot.axes.set_title(found.structure, fontsize=10)
    return plot.svg(f"{found.structure}: Bland-Altman plot of volumes")


def size_against(xlabel: str, ylabel: str, values: dict[str, list[Dot]]) -> str:
    """A measure against the size of what was to be found; sizes on a logarithmic axis."""
    plot = Plot()
    for structure, dots in values.items():
        plot.dots(dots, STRUCTURE[structure])
        plot.axes.plot([], [], "o", color=STRUCTURE[structure], label=structure)
    plot.axes.set(xscale="log", xlabel=xlabel, ylabel=ylabel)
    plot.axes.xaxis.set_major_locator(LogLocator(subs=(1, 2, 5)))
    plot.axes.xaxis.set_major_formatter(FormatStrFormatter("%g"))
    plot.axes.xaxis.set_minor_formatter(NullFormatter())
    plot.axes.legend(frameon=False, labelcolor=INK, fontsize=8, loc="lower right")
    return plot.svg(f"{ylabel} against {xlabel}")


def shortened(name: str) -> str:
    """A team's name as it fits beside an axis: its end, where paths differ."""
    return name if len(name) <= LONGEST_NAME else f"…{name[1 - LONGEST_NAME :]}"


def blobs(order: Ranking) -> str:
    """How often each team has each place over draws of patients: the areas of the blobs; a cross at its place."""
    count = len(order.teams)
    plot = Plot(0.9 + 0.36 * count)
    for row, team in enumerate(order.teams):
        at = count - 1 - row
        places = [int(place) for place in team.places]
        plot.axes.plot(team.place_ci95, [at, at], color=MUTED, linewidth=1, zorder=2)
        sizes = [320 * share for share in team.places.values()]
        plot.axes.scatter(places, [at] * len(places), s=sizes, color=STRUCTURE["GTVnd"], alpha=0.7, zorder=3)
        plot.axes.plot([team.place], [at], "x", color=INK, markersize=6, zorder=4)
    plot.axes.set_yticks(range(count), [shortened(t.team) for t in order.teams][::-1], parse_math=False)
    plot.axes.set_xticks(range(1, count + 1))
    plot.axes.set(xlabel="place", xlim=(0.5, count + 0.5), ylim=(-0.6, count - 0.4))
    return plot.svg("Places of the teams over bootstrap draws of patients")


def teams(title: str, values: Iterable[tuple[str, list[Dot]]], colour: str) -> str:
    """Box and dots of one measure (the dots' x) for each team, in the order that is given."""
    given = list(values)
    plot = Plot(0.8 + 0.42 * len(given))
    rng = np.random.default_rng(0)
    for row, (_, dots) in enumerate(given):
        at = len(given) - 1 - row
        plot.box([d.x for d in dots], at, 0.55)
        height = rng.uniform(-0.2, 0.2, len(dots))
        plot.dots([Dot(d.x, at + y, d.case, d.words) for d, y in zip(dots, height, strict=True)], colour)
    plot.axes.set_yticks(range(len(given)), [shortened(name) for name, _ in given][::-1], parse_math=False)
    plot.axes.set(xlabel=title, ylim=(-0.6, len(given) - 0.4))
    return plot.svg(f"{title} of each team")


def dots_of(
    results: Iterable[CaseResult], numbers: dict[str, int], settings: Settings, value: Value, words: str
) -> dict[str, list[Dot]]:
    """By structure a dot (x and y are the value) for each case of which it is defined; words: its format."""
    found: dict[str, list[Dot]] = {}
    for structure in settings.structures:
        for result in results:
            if structure in result.scores and not np.isnan(number := value(structure, result)):
                shown = f"{result.name}: {structure} {words.format(number)}"
                found.setdefault(structure, []).append(Dot(number, number, numbers[result.name], shown))
    return found
