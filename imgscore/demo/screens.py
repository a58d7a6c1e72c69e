"""Drawings of text screens: terminals, editors, articles, chats, tables and error boxes."""

from __future__ import annotations

from PIL import Image

from imgscore.demo.paint import WHITE, Board, Chance, Colour, mix, pick, rgb

WORDS = (
    "the", "of", "and", "to", "in", "that", "was", "for", "with", "river", "paper", "morning",
    "system", "value", "report", "nothing", "between", "people", "number", "window", "letter",
    "answer", "station", "every", "second", "update", "folder", "because", "winter", "question",
    "order", "kitchen", "market", "history", "signal", "garden", "remember", "public",
    "meeting", "again", "light",
)  # fmt: skip
COMMANDS = (
    "git status", "make test", "ls -la", "ssh build-3", "tail -f app.log", "df -h", "top -b -n1",
    "cargo build", "python -m bench", "systemctl --user status",
)  # fmt: skip
SAYINGS = (
    "are you there?", "on my way", "did you see this", "ha, no way", "tomorrow at nine?", "ok!",
    "the train is late again", "send me the file please", "who ate my lunch", "thanks a lot",
    "can we move the meeting", "it works on my machine", "no rush", "see you then",
)  # fmt: skip


def screen(chance: Chance) -> Image.Image:
    """Draw one text screen."""
    kinds = (_terminal, _terminal, _article, _article, _chat, _chat, _editor, _table, _error)
    return kinds[int(chance.integers(len(kinds)))](chance)


def _sentence(chance: Chance, words: int) -> str:
    return " ".join(str(word) for word in chance.choice(WORDS, words))


def _terminal(chance: Chance) -> Image.Image:
    width, height = (1000, 680) if chance.random() < 0.6 else (1200, 640)
    ground, ink = rgb("#12151c"), pick(chance, ["#c8d0d8", "#9fe09f", "#e0c890"])
    board = Board(width, height, ground)
    board.box(0, 0, width, 36, rgb("#2b303b"))
    for index, colour in enumerate(("#ff5f57", "#febc2e", "#28c840")):
        board.disc(24 + 24 * index, 18, 7, 7, rgb(colour))
    y = 54
    while y < height - 30:
        if chance.random() < 0.2:
            command = str(chance.choice(COMMANDS))
            board.write(18, y, "user@host:~$", 19, rgb("#5fd787"))
            board.write(150, y, command, 19, WHITE)
        else:
            words = _sentence(chance, int(chance.integers(3, 14)))
            code = "".join(str(digit) for digit in chance.integers(0, 10, 6))
            warm = chance.random() < 0.12
            board.write(18, y, code, 19, mix(ground, ink, 0.55))
            board.write(108, y, words, 19, rgb("#ff7b72") if warm else ink)
        y += 27
    return board.image()


def _article(chance: Chance) -> Image.Image:
    width, height = (860, 1100) if chance.random() < 0.7 else (760, 2000)
    paper = pick(chance, ["#ffffff", "#fbf7ee", "#f5f5f5"])
    board, ink = Board(width, height, paper), rgb("#2a2a2a")
    board.write(70, 60, _sentence(chance, 4).capitalize(), 40, ink)
    board.write(70, 118, "3 minutes to read", 18, rgb("#888888"))
    y = 170
    while y < height - 60:
        for line in range(int(chance.integers(3, 8))):
            if y > height - 60:
                break
            text = _sentence(chance, 9)[:72]
            board.write(70, y, text.capitalize() if line == 0 else text, 21, ink)
            y += 31
        y += 22
        if chance.random() < 0.25 and y < height - 120:
            board.write(70, y, _sentence(chance, 3).capitalize(), 28, ink)
            y += 50
    return board.image()


def _chat(chance: Chance) -> Image.Image:
    width, height = 620, int(chance.integers(1100, 1500))
    board = Board(width, height, pick(chance, ["#efe7de", "#f2f4f8", "#0f1720"]))
    board.box(0, 0, width, 84, rgb("#1f6f5c"))
    board.disc(52, 42, 26, 26, pick(chance, ["#f4a261", "#8ab17d", "#e9c46a"]))
    board.write(94, 28, str(chance.choice(["Mira", "Jonas", "The flat", "Work"])), 26, WHITE)
    y = 110.0
    while y < height - 150:
        lines = [str(line) for line in chance.choice(SAYINGS, int(chance.integers(1, 4)))]
        high, wide = 34 * len(lines) + 28, 60 + 12 * max(map(len, lines))
        mine = chance.random() < 0.5
        x = width - wide - 24 if mine else 24
        board.box(x, y, wide, high, rgb("#d6f5c6") if mine else WHITE, 18)
        for index, line in enumerate(lines):
            board.write(x + 20, y + 14 + 34 * index, line, 23, rgb("#222222"))
        y += high + 18
    board.box(20, height - 78, width - 40, 56, WHITE, 28)
    board.write(50, height - 62, "Write a message", 22, rgb("#999999"))
    return board.image()


def _editor(chance: Chance) -> Image.Image:
    width, height = 1120, 720
    board = Board(width, height, rgb("#282c34"))
    board.box(0, 0, 200, height, rgb("#21252b"))
    for row in range(14):
        name = f"{chance.choice(WORDS)}.py"
        board.write(24, 24 + row * 32, name, 18, rgb("#9da5b4"))
    tokens = [rgb(code) for code in ("#c678dd", "#61afef", "#98c379", "#e5c07b", "#abb2bf")]
    indent = 0
    for row in range(25):
        y = 16 + row * 28
        board.write(242, y, str(row + 1), 18, rgb("#5c6370"), "ra")
        indent = max(0, min(4, indent + int(chance.integers(-1, 2))))
        x = 262.0 + indent * 36
        for _ in range(int(chance.integers(0, 7))):
            word = str(chance.choice(WORDS))
            board.write(x, y, word, 18, tokens[int(chance.integers(len(tokens)))])
            x += len(word) * 10 + 14
    return board.image()


def _table(chance: Chance) -> Image.Image:
    width, height = 1100, 700
    board, line = Board(width, height, WHITE), rgb("#d5d9e0")
    board.box(0, 0, width, 44, rgb("#217346"))
    board.write(20, 10, "Book1 - Sheet", 20, WHITE)
    columns, high = 9, 30
    for row in range(22):
        y = 44 + row * high
        head = row == 0
        for column in range(columns):
            x = column * width / columns
            if head or column == 0:
                board.box(x, y, width / columns, high, rgb("#eef1f5"))
            text = f"{chance.normal(500, 300):.2f}"
            if head:
                text = " ABCDEFGH"[column]
            elif column == 0:
                text = str(row)
            elif column == 1:
                text = str(chance.choice(WORDS))
            board.write(x + width / columns - 10, y + 6, text, 17, rgb("#333333"), "ra")
        board.line([(0, y), (width, y)], line, 1)
    for column in range(columns):
        x = column * width / columns
        board.line([(x, 44), (x, height)], line, 1)
    return board.image()


def _error(chance: Chance) -> Image.Image:
    width, height = 900, 560
    ground = pick(chance, ["#008080", "#3a6ea5", "#0078d7", "#5a5a72"])
    board, grey = Board(width, height, ground), rgb("#f0f0f0")
    for number in range(int(chance.integers(1, 4))):
        x, y = 150 + 46 * number, 110 + 42 * number
        board.box(x, y, 520, 240, mix(ground, (0, 0, 0), 0.4), 6)
        board.box(x + 2, y + 2, 516, 40, WHITE, 6)
        board.box(x + 2, y + 36, 516, 202, grey)
        board.write(x + 18, y + 10, "Error", 20, rgb("#222222"))
        board.disc(x + 60, y + 110, 28, 28, rgb("#d93025"))
        board.write(x + 60, y + 110, "x", 34, WHITE, "mm")
        _lines(board, chance, x + 110, y + 80)
        board.box(x + 390, y + 186, 100, 36, rgb("#dddddd"), 4)
        board.write(x + 440, y + 204, "OK", 19, rgb("#222222"), "mm")
    return board.image()


def _lines(board: Board, chance: Chance, x: float, y: float) -> None:
    ink: Colour = rgb("#222222")
    for row in range(3):
        board.write(x, y + 28 * row, _sentence(chance, 4), 19, ink)
