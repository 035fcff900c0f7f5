"""Questions with answers to choose from, checked from what the reader hands in alone.

    begin = Quiz("begin", questions)
    begin.check("ba.b......")      # a letter for each question, a dot for "don't know"

The page prints its questions as text, so that they stand on GitHub and on paper, too;
a test compares it with `asked` and `answers`. Nothing is kept between two checks.
"""

from dataclasses import dataclass

BLANK = "."
LETTERS = "abcd"
NUMPY = "https://numpy.org/doc/stable/user/absolute_beginners.html"


@dataclass(frozen=True)
class Question:
    """What is asked, four answers, the letter of the right one, and why it is right.

    page : the number of the page that teaches it; "NumPy" if none does.
    """

    asks: str
    answers: tuple[str, str, str, str]
    right: str
    why: str
    page: str


@dataclass(frozen=True)
class Quiz:
    """Questions, and where their reader should begin.

    pages : {number: (title, file)} of the pages that the questions name, in order, and
        then the one for whoever has missed none.
    """

    name: str
    questions: tuple[Question, ...]
    pages: dict[str, tuple[str, str]]

    def asked(self, first, last):
        """Questions `first` to `last`, counted from 1, as the page has them."""
        chosen = enumerate(self.questions[first - 1 : last], first)
        return "\n\n".join(
            f"**{n}.** {question.asks}\n\n{_listed(question.answers)}"
            for n, question in chosen
        )

    def answers(self):
        """The right letters and why, folded, as the page has them."""
        numbered = enumerate(self.questions, 1)
        why = [f"**{n}.** {q.right}) {q.why}" for n, q in numbered]
        summary = "<details><summary>Answers</summary>"
        return "\n\n".join([summary, *why, "</details>"])

    def check(self, given):
        """Say which of the answers `given` miss, and with which page to begin.

        given : a letter for each question; capitals and spaces do no harm.
        """
        if isinstance(given, str):
            given = "".join(given.lower().split())
        fault = self._fault(given)
        if fault:
            print(fault)
            return
        from IPython.display import display

        plain, linked = self._verdict(given)
        display({"text/plain": plain, "text/markdown": linked}, raw=True)

    def first(self, given):
        """(number of the page to begin with, is NumPy to be read before?)."""
        needed = {q.page for q in self._missed(given).values()}
        pages = [number for number in self.pages if number in needed]
        return [*pages, [*self.pages][-1]][0], "NumPy" in needed

    def _missed(self, given):
        pairs = enumerate(zip(given, self.questions, strict=True), 1)
        return {n: q for n, (letter, q) in pairs if letter != q.right}

    def _fault(self, given):
        count = len(self.questions)
        if not isinstance(given, str):
            return f"[retry] {self.name}: a text is expected, such as {'b' * count!r}."
        if len(given) != count:
            return f"[retry] {self.name}: {len(given)} letters came, expected {count}."
        odd = sorted(set(given) - {*LETTERS, BLANK})
        if odd:
            return (
                f"[retry] {self.name}: {odd[0]!r} is no answer; a to d are, and a dot "
                "for what you don't know."
            )
        if set(given) == {BLANK}:
            return f"[todo] {self.name}: put a letter in the place of each dot."
        return ""

    def _verdict(self, given):
        """(text, Markdown with links) of what `check` says."""
        missed, (number, numpy) = self._missed(given), self.first(given)
        title, file = self.pages[number]
        lines = [f"right: {len(given) - len(missed)} of {len(given)}"]
        if missed:
            taught = [
                f"{n} ({'page ' if q.page in self.pages else ''}{q.page})"
                for n, q in missed.items()
            ]
            lines.append(f"missed: {', '.join(taught)}")
        if numpy:
            lines.append("read first: {NumPy}")
        lines.append("begin with: {page}")
        text = "\n".join(lines)
        plain = text.format(NumPy=NUMPY, page=title)
        links = text.format(
            NumPy=f"[NumPy for beginners]({NUMPY})", page=f"[{title}]({file})"
        )
        return plain, links.replace("\n", "  \n")


def _listed(answers):
    return "\n".join(
        f"- {letter}) {text}" for letter, text in zip(LETTERS, answers, strict=True)
    )
