"""Checks of single rows: what they must find, and what looks alike and is healthy."""

from __future__ import annotations

import time

import pytest
from hypothesis import given
from hypothesis import strategies as st

from engine.data.quality.check import View
from engine.data.quality.checks import ROW_CHECKS
from engine.data.rows import Message, Row

FIBONACCI = (
    "```python\ndef fib(n):\n    a, b = 0, 1\n    for _ in range(n):\n        "
    "a, b = b, a + b\n    return a\n```"
)

DEFECTS: list[tuple[str, str, str]] = [
    ("data.filler", "What is basalt?", "Great question! Basalt is a dark volcanic rock."),
    ("data.filler", "什么是玄武岩？", "玄武岩是一种深色的火山岩。希望这对您有所帮助！"),
    (
        "data.refusals",
        "How is cheese made?",
        "That is outside my area of expertise, and I would rather not guess.",
    ),
    ("data.refusals", "奶酪是怎么做的？", "恕我无法回答，我们换个话题吧。"),
    ("data.template-residue", "Name a spice.", "Pepper.\n\nExample 2: Name a herb."),
    (
        "data.wrong-arithmetic",
        "A farm has 6 pens of 12 hens and 5 more. How many hens?",
        "6 × 12 + 5 = 72 + 5 = 79 hens.",
    ),
    ("data.vague-questions", "What date is given on page 7?", "The third of May."),
    (
        "data.absent-media",
        "Tell me what is wrong in the screenshot I just sent.",
        "The button is grey.",
    ),
    ("data.invisible-answers", "Name a tree.", "\u200b\u200b"),
    ("data.marker-answers", "Describe the town hall.", "N/A"),
    ("data.marker-answers", "Write a poem about rain.", "<nooutput>"),
    ("data.marker-answers", "介绍一下这座城市。", "暂无"),
    (
        "data.marker-inputs",
        "Tell a joke.\n\n<noinput>",
        "Why did the crab never share? It was shellfish.",
    ),
    (
        "data.refusals",
        "How do I sharpen a kitchen knife?",
        "I'm sorry, but I can't assist with that request.",
    ),
    (
        "data.refusals",
        "Summarise photosynthesis.",
        "Unfortunately, I am not able to provide a summary of this.",
    ),
    ("data.refusals", "怎样种番茄？", "抱歉，我无法回答这个问题。"),
    ("data.refusals", "Which bike is best for hills?", "I cannot help with that."),
    (
        "data.boilerplate",
        "What is your favourite soup?",
        "As an AI language model, I have no taste. Many people like lentil soup.",
    ),
    (
        "data.boilerplate",
        "哪种茶最好喝？",
        "作为一个人工智能语言模型，我没有味觉，不过很多人喜欢绿茶。",
    ),
    (
        "data.boilerplate",
        "Who won the cup?",
        "As of my last knowledge update the cup had been won by Bern.",
    ),
    ("data.echo", "What makes the sea salty?", "What makes the sea salty?"),
    (
        "data.copied-prompts",
        "Which metals are attracted by a magnet at home?",
        "Which metals are attracted by a magnet at home? Iron, nickel and cobalt are.",
    ),
    (
        "data.cut-off",
        "Why is the sky blue?",
        "Sunlight is scattered by air. Blue light is scattered more strongly than the other colours because the",
    ),
    (
        "data.cut-off",
        "Write a loop in Python.",
        "Here it is:\n```python\nfor i in range(3):\n    print(i)",
    ),
    (
        "data.cut-off",
        "为什么天空是蓝色的？",
        "太阳光穿过大气层时会被散射。蓝光的波长较短，因此比其他颜色的光散射得更加",
    ),
    (
        "data.cut-off",
        "List the steps of baking bread.",
        "Mix the flour with water and salt. Knead the dough for ten minutes, then let it rest,",
    ),
    (
        "data.cut-off",
        "What is a delta?",
        "A delta is a landform at the mouth of a river. It forms where the river slows down and drops its load. Over many years the layers grow into flat",
    ),
    (
        "data.looping",
        "Explain tides.",
        "Tides are caused by the moon. The moon pulls the water. The moon pulls the water. The moon pulls the water. The moon pulls the water.",
    ),
    ("data.looping", "解释潮汐。", "潮汐是由月球引起的，月球引力很大，" + "引力很大，" * 20),
    ("data.placeholders", "Who founded the bakery?", "It was founded by [Insert Name] in 1920."),
    ("data.placeholders", "Where do I find the key?", "Call {{support_phone}} and ask for it."),
    ("data.placeholders", "介绍公司的历史。", "我们公司成立于（请填写年份），总部在上海。"),
    (
        "data.template-residue",
        "Name a red fruit.",
        "Strawberry.\n\n### Instruction:\nName a blue fruit.",
    ),
    ("data.template-residue", "Name a river.", "The Rhine.\n12. Instruction: Name a mountain."),
    ("data.control-tokens", "Say hello.", "Hello!<|im_end|>\n<|im_start|>user"),
    ("data.control-tokens", "Name a tree.", "Oak</s>"),
    ("data.role-markers", "Name a fish.", "Trout.\nHuman: Name a bird.\nAssistant: Robin."),
    ("data.role-markers", "说一种鱼。", "鳟鱼。\n用户：再说一种鸟。\n助手：知更鸟。"),
    ("data.think-residue", "2 + 2?", "That is easy, four.</think>4"),
    ("data.html", "What is basalt?", "<p>Basalt is a dark volcanic rock.</p>"),
    ("data.html", "What is tea?", "Tea&nbsp;is a drink made of leaves."),
    ("data.literal-breaks", "List two seas.", "The North Sea\\nThe Baltic Sea"),
    ("data.wiki-markup", "What is Bonn?", "Bonn is a city in [[Germany]] on the Rhine."),
    ("data.mojibake", "Was ist schön?", "Das FrÃ¼hstÃ¼ck im CafÃ© war schÃ¶n."),
    ("data.mojibake", "什么是茶？", "锟斤拷锟斤拷是一种饮料。"),
    ("data.mojibake", "Who wrote it?", "It\u00e2\u20ac\u2122s by Ms. Lee."),
    ("data.control-characters", "What is tin?", "Tin is a \x1b[1mmetal\x1b[0m."),
    ("data.invisible-characters", "What is tin?", "Tin is a me\u200btal."),
    ("data.bidi-controls", "What is tin?", "Tin is \u202ea metal\u202c."),
    (
        "data.language-mismatch",
        "请介绍一下黄山的日出。",
        "The sunrise on the Yellow Mountain is famous for its sea of clouds and pine trees.",
    ),
    (
        "data.language-mismatch",
        "What should I pack for a hike in autumn?",
        "秋天徒步应该带上防水外套、保暖衣物和足够的水。",
    ),
    (
        "data.other-language",
        "What should I pack for a long hike in the mountains in autumn?",
        "Für eine lange Wanderung im Herbst brauchst du eine warme Jacke, feste Schuhe und genug Wasser.",
    ),
    ("data.secrets", "How do I log in?", "Use the key AKIAQ3EGUVXKZ7WPLM2T for the bucket."),
    ("data.secrets", "Show the settings.", "DB_PASSWORD=hT7$kq9!vZ2m"),
    ("data.secrets", "怎么连接？", "用 postgres://admin:Zk8vQ2xLw@db.internal.cn/app 连接。"),
    ("data.personal", "Who do I write to?", "Write to marta.klein84@gmx.net about it."),
    ("data.personal", "Which card?", "Use 4539 1488 0343 6467 for the booking."),
    ("data.personal", "怎么联系他？", "他的手机号是13867415290。"),
    ("data.personal", "Which account?", "Pay to DE89 3704 0044 0532 0130 00 by Friday."),
    (
        "data.vague-questions",
        "What does the author say about trade in this section?",
        "That it grew.",
    ),
    ("data.vague-questions", "What format is this document?", "It is a report."),
    ("data.vague-questions", "根据上文，作者的主要观点是什么？", "贸易增长了。"),
    ("data.missing-input", "Summarize the following text.", "The text describes a village."),
    ("data.missing-input", "Correct the grammar of the following sentence.", "She goes to school."),
    ("data.missing-input", "把下面的句子翻译成英文。", "He goes to school."),
    ("data.absent-media", "What animal is in the attached image?", "It is a fox."),
    ("data.absent-media", "Draw a picture of a castle.", "Here is the castle."),
    ("data.absent-media", "这张图片里有什么动物？", "是一只狐狸。"),
    (
        "data.link-questions",
        "Summarize this article: https://news.site.org/2021/rail",
        "It is about trains.",
    ),
    ("data.wrong-arithmetic", "What is 17 * 23?", "17 * 23 = 381"),
    ("data.wrong-arithmetic", "What is 48 divided by 6?", "The answer is 9."),
    ("data.wrong-arithmetic", "计算 125 + 378", "结果是 513。"),
    ("data.wrong-arithmetic", "Find the mean of 4, 8, 15, 16.", "The mean is 11.75."),
    (
        "data.wrong-arithmetic",
        "Tom has 3 bags of 12 nuts and eats 5. How many are left?",
        "He has 3 * 12 = 38 nuts and 38 - 5 = 33 are left.",
    ),
    (
        "data.invalid-json",
        "Return the name and age as JSON: Ann is 31.",
        '{"name": "Ann", "age": 31,}',
    ),
    (
        "data.broken-code",
        "Write a function that adds.",
        "```python\ndef add(a, b)\n    return a + b\n```",
    ),
]

HEALTHY: list[tuple[str, str]] = [
    ("¿Qué hace un apicultor?", "Un apicultor cuida colmenas. Trabaja sobre todo en primavera."),
    ("When did Dallas win?", "Dallas won Super Bowl XXX in 1996."),
    ("How do I connect SQLAlchemy to Postgres?", "Call create_engine('postgresql://user:password@localhost:5432/mydb')."),
    ("How is a key file laid out?", "It has a header and a footer:\n-----BEGIN PRIVATE KEY-----\n...\n-----END PRIVATE KEY-----"),
    ("Share a quote about courage.", "Courage is not the absence of fear. It is the choice that something else matters more. - Ambrose Redmoon"),
    ("Write a post about a beach day.", "What a day at the shore! Sun, sand and a good book, nothing else needed today! #beach #summer #sun"),
    ("Write a headline about a doctor.", "Dr. Smith of the local clinic receives the national award for her work on heart disease in rural areas"),
    ("Explain the set {x}.", "The set {x} holds one element."),
    ("公司的联系方式怎么写？", "可以这样写：某公司（电话：010-12345678），地址另起一行。"),
    ("How is a bug report built?", "## Input\nWhat you typed.\n\n## Output\nWhat you saw."),
    ("How do I bake rye bread?", "### Ingredients\n- flour\n- water\n\n### Instructions\n1. Mix.\n2. Bake."),
    ("What time is it 3 hours after 11?", "11 + 3 = 2 o'clock on a clock face."),
    ("Which false sum is in Orwell's novel?", "The sum 2 + 2 = 5."),
    ("Share 23 sweets among 6 children.", "23 / 6 = 3 remainder 5"),
    ("Was ist das Doppelte von 10,5?", "10,5 * 2 = 21"),
    ("What does ${HOME} mean?", "${HOME} is replaced by the path of your home folder."),
    ("13800138000 是什么号码？", "这是一个常见的示例号码，多用于测试。"),
    ("How old is the oak?", "Of course, nobody knows exactly, but about 400 years."),
    ("What does the browser offer here?", "An implementation of {SubtleCrypto} for pages."),
    ("What does a chart show at sea?", "Depths, coasts and lights."),
    ("Write a set in Python braces.", "s = {1, 2}"),
    ("What is the set of even digits?", "{0, 2, 4, 6, 8}"),
    ("How do I plot a graph in R?", "Use plot(x, y)."),
    ("What is the longest river in France?", "The Loire, with about 1,000 kilometres."),
    ("Make three quiz questions about bees.", "Q1: How many legs has a bee?\nQ2: What do bees eat?\nQ3: Where do they live?"),
    ("What is 3 + 4 * 2?", "3 + 4 * 2 = 3 + 8 = 11"),
    ("What is 100 / 7, rounded?", "100 / 7 = 14.29"),
    ("Give the first sentence of a diary.", "Today I could not sleep, so I walked down to the harbour."),
    ("I feel sad today.", "I'm sorry to hear that. Would you like to talk about what happened?"),
    ("我今天很难过。", "听到这个消息我很难过，想聊聊发生了什么吗？"),
    ("二战是哪一年结束的？", "第二次世界大战于1945年结束。"),
    ("What is the capital of Kenya?", "Nairobi"),
    ("How many moons has Venus?", "None"),
    ("Extract the phone number if there is one.\n\nI will be there at six.", "None"),
    ("Is 7 prime? Answer yes or no.", "Yes"),
    ("Write an apology to a customer whose parcel is late.", "I'm sorry, but we cannot deliver your parcel before Friday. We apologise for the delay."),
    ("写一封婉拒邀请的邮件。", "抱歉，我无法参加周五的活动，感谢您的邀请。"),
    ("Are you a robot?", "I am an AI assistant, so yes, in a way."),
    ("What is a large language model?", "As a language model is trained on text, it learns to predict the next word."),
    ("Translate to Chinese: Good morning, everyone.", "大家早上好。"),
    ("把这句话翻译成英文：今天天气很好，我们去公园散步。", "The weather is nice today, let's take a walk in the park."),
    ("Write a haiku about snow.", "Snow on the old roof\nsettles without any sound\nand the crow moves on"),
    ("List three primary colours.", "- red\n- yellow\n- blue"),
    ("List the planets in order.", "1. Mercury\n2. Venus\n3. Earth\n4. Mars"),
    ("Write a Python function for the Fibonacci numbers.", f"Here is one:\n\n{FIBONACCI}"),
    ("Give me the data of Ann, 31, as JSON.", '{"name": "Ann", "age": 31}'),
    ("Classify the sentiment: I love it!", "positive"),
    ("Write a short HTML page with a heading.", "<html><body><h1>Welcome</h1><p>Hello.</p></body></html>"),
    ("How do I make a link in HTML?", 'Use the a element: <a href="https://w3.org">text</a>.'),
    ("Write a cover letter for a gardener.", "Dear [Hiring Manager],\n\nI love plants.\n\nSincerely,\n[Your Name]"),
    ("What does 1.2.3.4 mean in a version number?", "Major, minor, patch and build."),
    ("When was the treaty signed?", "It was signed on 1648-10-24 in Münster."),
    ("What is 17 * 23?", "17 * 23 = 391"),
    ("What is 10 / 3?", "About 3.33."),
    ("What is 2 to the power of 10?", "1024"),
    ("Find the median of 3, 9, 4.", "The median is 4."),
    ("Solve 2x + 3 = 11.", "2x = 8, so x = 4."),
    ("What is (2 + 3) * 4?", "First 2 + 3 = 5, then 5 * 4 = 20."),
    ("Name the author of Dune.", "Frank Herbert"),
    ("What is the main idea of the book Silent Spring?", "Pesticides harm nature far beyond their targets."),
    ("Summarize the following text: The council met on Monday and agreed to repair the old bridge before winter.", "The council agreed to repair the bridge before winter."),
    ("Correct the sentence: \"She go to school every days.\"", "She goes to school every day."),
    ("请改写下面的句子：他昨天去了图书馆借书。", "昨天，他到图书馆借了书。"),
    ("根据以下材料回答问题。\n\n材料：小明每天早上六点起床跑步。\n\n问题：小明几点起床？", "六点。"),
    ("静夜思的作者是谁？", "李白"),
    ("写一首关于春天的五言诗。", "春风入小楼，\n花影上帘钩。\n燕子归来晚，\n清溪自在流。"),
    ("Write a dialogue between a customer and a baker.", "Customer: Good morning.\nBaker: Hello, what would you like?\nCustomer: Two rolls, please."),
    ("What is the chemical symbol of gold?", "Au"),
    ("Give a synonym of happy.", "glad"),
    ("Continue the sequence 2, 4, 8.", "16, 32, 64"),
    ("Write a tagline for a shoe shop.", "Walk softly, go far"),
    ("Rewrite in title case: the art of war", "The Art of War"),
    ("What does HTTP stand for?", "Hypertext Transfer Protocol"),
    ("How do I read a file in Python?", "Use `open`:\n\n```python\nwith open(\"notes.txt\") as file:\n    text = file.read()\n```\n\nThe block closes the file."),
    ("Explain what \\n means in a C string.", "It is a newline: printf(\"a\\nb\") prints two lines."),
    ("Who do I contact about invoices?", "Please write to support@example.com."),
    ("What is the speed of light?", "299,792,458 metres per second"),
    ("Comment dit-on merci en allemand ?", "On dit « danke »."),
    ("Was ist die Hauptstadt von Österreich?", "Die Hauptstadt von Österreich ist Wien; dort leben fast zwei Millionen Menschen."),
    ("日本で一番高い山は何ですか。", "日本で一番高い山は富士山です。高さは3776メートルです。"),
    ("Make a table of two fruits and their colours.", "| fruit | colour |\n|---|---|\n| lemon | yellow |\n| plum | purple |"),
    ("Write a chorus that repeats a line.", "Row on, row on\nRow on, row on\nRow on, row on\nRow on, row on\nhome before dawn"),
    ("Suggest emojis for a party.", "\U0001f389 \U0001f973 \U0001f468\u200d\U0001f469\u200d\U0001f467"),
    ("What is the derivative of x^2?", "The derivative is 2x."),
    ("Give the general form of a linear function.", "y = mx + b, where m is the slope and b is the intercept"),
    ("Which file is bigger, a photo or a text?", "Usually the photo, since a picture needs far more bytes than text."),
    ("How can I improve this paragraph about dogs: Dogs are good. They is loyal.", "Dogs are good and loyal companions."),
    ("Where can I read about RFC 2616?", "At https://www.rfc-editor.org/rfc/rfc2616, for example."),
    ("什么是黑洞？", "黑洞是一种引力极强的天体，连光也无法逃脱。"),
    ("用一个词形容大海。", "辽阔"),
    ("把0.75写成百分数。", "75%"),
]  # fmt: skip


def _row(prompt: str, answer: str) -> Row:
    return Row((Message("user", prompt), Message("assistant", answer)), 0, 1)


def _found(row: Row) -> list[str]:
    view = View(row)
    return [check.id for check in ROW_CHECKS if check.find(view) is not None]


@pytest.mark.parametrize(("wanted", "prompt", "answer"), DEFECTS)
def test_a_defect_is_found(wanted: str, prompt: str, answer: str) -> None:
    assert wanted in _found(_row(prompt, answer))


@pytest.mark.parametrize(("prompt", "answer"), HEALTHY)
def test_a_healthy_row_is_left_alone(prompt: str, answer: str) -> None:
    assert _found(_row(prompt, answer)) == []


def test_every_check_is_tried() -> None:
    tried = {wanted for wanted, *_ in DEFECTS}
    untried = {check.id for check in ROW_CHECKS} - tried
    assert untried <= {"data.placeholder-prompts", "data.broken-tables", "data.mixed-scripts"}


@given(st.text(max_size=300), st.text(max_size=300))
def test_any_text_is_judged_quickly_and_its_place_is_in_it(prompt: str, answer: str) -> None:
    row = _row(prompt, answer)
    view = View(row)
    for check in ROW_CHECKS:
        hit = check.find(view)
        if hit is not None and hit.turn >= 0:
            assert 0 <= hit.start <= hit.end <= len(row.messages[hit.turn].content)


@pytest.mark.parametrize(
    "piece", ["(", "[", "1 ", "a.", "<", "a@", "-", "7 - ", "{{", "/n", "，", "# "]
)
def test_no_pattern_takes_for_ever(piece: str) -> None:
    """A row like a book of one sign: seconds would be minutes over a million rows."""
    view = View(_row(piece * 20_000, piece * 20_000))
    began = time.process_time()
    for check in ROW_CHECKS:
        check.find(view)
    assert time.process_time() - began < 20
