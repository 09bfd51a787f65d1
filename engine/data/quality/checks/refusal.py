"""Refusals, and sentences in which an assistant speaks of itself."""

from __future__ import annotations

import re

from engine.data.quality.check import Hit, RowCheck, View, holds_any
from engine.data.quality.checks.asked import hit_match, wants_translation

_HEAD = 220
_GUARDS = (
    "cannot", "can't", "unable", "not able", "sorry", "apolog", "won't", "not comfortable", "as an",
    "not possible for me", "don't have", "do not have", "can not", "not programmed", "decline",
    "comfortable", "appropriate", "ethical", "irresponsible", "against my", "beyond my", "outside",
    "rather not", "prefer not", "refuse", "violat", "something else", "going to have to", "无可奉告",
    "恕", "话题", "别的", "不予", "不在我", "不属于我", "违反", "没法", "超出", "没有学会", "无法", "不能", "没办法", "抱歉", "对不起", "不便", "没有能力", "不支持",
    "désolé", "lo siento", "no puedo", "leider", "leid", "申し訳", "できません", "죄송", "извин",
    "desculp", "dispiace", "je ne peux", "ich kann",
)  # fmt: skip
_DO = (
    r"(?:help|assist|provide|fulfil|fulfill|comply|answer|generate|create|complete|write|browse|"
    r"access|open|view|see|process|support|engage|offer|give|discuss|respond|produce|perform|"
    r"do (?:that|this)|continue|predict|determine|display|draw|summari[sz]e|translate|execute|run|"
    r"fetch|retrieve|visit|analy[sz]e|condone|promote|participate|share|recommend|verify|tell you)"
)
_REFUSAL = re.compile(
    r"(?:\bi(?: am|'m)? (?:really |truly |very |so |terribly )?sorry,? (?:but )?(?:i|that|this|we|as)\b[^.!?\n]{0,60}"
    r"(?:can ?not|can't|unable|not able|won't|don't have|do not have|not something)"
    rf"|\bi(?: simply| just)? (?:can ?not|can't|won't|will not)(?: \w+ly)?(?: be able to)? {_DO}\b"
    rf"|\bi(?: am|'m) (?:unable|not able|not (?:allowed|permitted|programmed|designed)) to (?:\w+ly )?{_DO}\b"
    r"|\bi (?:must|have to|need to) (?:respectfully |politely )?(?:decline|refuse)"
    r"|\bi(?: am|'m) not comfortable (?:with )?(?:\w+ing)"
    r"|\bi (?:do not|don't) have (?:access to|the (?:ability|capability)|enough (?:information|context)"
    r"|(?:sufficient|any) (?:information|context)|real-?time)"
    r"|\b(?:against|violates?|outside|beyond|not within) (?:of )?(?:my|our) (?:\w+ ){0,2}(?:guidelines|polic(?:y|ies)|"
    r"programming|principles|scope|capabilit(?:y|ies)|abilit(?:y|ies)|expertise|terms)"
    r"|\b(?:it|this|that) (?:would be|is) (?:unethical|inappropriate|irresponsible|not (?:appropriate|ethical|possible)) (?:for me|to)\b"
    r"|\bi(?:'d| would) (?:rather|prefer) not (?:to )?\b|\bi (?:refuse|decline) to\b|\bi(?:'m| am) going to have to (?:decline|pass)"
    r"|\b(?:as|being) an? (?:large )?(?:ai|language) (?:\w+ ){0,4}i (?:can ?not|can't|do not|don't|am unable)"
    r"|\bi can ?not (?:form|have|hold|express|take)\b|\blet's (?:talk about|discuss) something else"
    r"|\bi (?:do not|don't) feel comfortable\b|\bit (?:is not|isn't|would not be|wouldn't be) appropriate for me to\b"
    r"|\bit(?: is|'s) not possible for me to|\bapologi[sz]e,? but (?:i|as|this|that)\b)"
)
_REFUSAL_OTHER = re.compile(
    r"(?:很|非常|十分|实在)?(?:抱歉|对不起|不好意思)[，,。！!：:\s]*(?:但|但是|不过)?(?:作为[^。\n]{0,20}[，,])?我?(?:们)?"
    r"(?:目前|现在|暂时|还|并)?(?:无法|不能|没办法|没有办法|没有能力|不具备)"
    r"|^我(?:目前|现在|暂时|并)?(?:无法|不能|没办法|没有能力)(?:直接|继续)?(?:为您|为你|给您|给你|向您|对此|就此)?"
    r"(?:提供|回答|帮助|协助|访问|查看|打开|生成|完成|满足|处理|执行|评论|讨论|浏览|获取|支持)"
    r"|^(?:作为|身为)[^。\n]{0,15}(?:ai|人工智能|语言模型|助手)[^。\n]{0,12}我(?:无法|不能|没有|不具)"
    r"|(?:我|这个问题|该问题|目前|暂时)[^。\n]{0,12}(?:无法|不能|没法|没办法|还没有学会|没有学会|不会)[^。\n]{0,6}(?:回答|告诉|提供)"
    r"|无可奉告|恕(?:我)?(?:无法|不能|难|不)|(?:换|聊)(?:个|一个|点)?(?:别的|其他|话题)|不(?:便|方便)(?:回答|透露|讨论|评论|提供)"
    r"|不予(?:回答|置评|讨论)|(?:不在|不属于)我的(?:能力|服务|知识|职责)|违反(?:了)?(?:我的|相关|使用)?[^。\n]{0,6}(?:规定|政策|准则|原则)"
    r"|我(?:只是|是)[^。\n]{0,16}(?:无法|不能|没法)|超出了?(?:了)?我的(?:能力|知识|权限|服务)范围|(?:抱歉|对不起|遗憾)[^。\n]{0,12}(?:还没有|没法|不会|超出)"
    r"|lo siento,? pero (?:no puedo|como)|no puedo (?:ayudar|proporcionar|responder|cumplir)"
    r"|(?:je suis )?désolée?,? (?:mais )?je ne (?:peux|suis)|je ne peux pas (?:vous aider|répondre|fournir)"
    r"|es tut mir leid,? (?:aber )?ich kann|ich kann (?:ihnen|dir) (?:dabei |damit |hierbei )?(?:leider )?nicht"
    r"|leider kann ich (?:ihnen|dir|diese|keine)"
    r"|申し訳(?:ありません|ございません)が[^。\n]{0,40}(?:できません|できかねます|お答え)"
    r"|죄송하지만[^.\n]{0,40}(?:없습니다|어렵습니다)|извините,? (?:но )?я не могу"
    r"|desculpe,? mas (?:eu )?não posso|mi dispiace,? ma non posso"
)
# A person may want to have something declined, reworded, translated or acted out.
_WANTED = (
    "declin", "refus", "apolog", "reject", "turn down", "say no", "reply", "respond to", "customer",
    "rewrit", "rewrite", "paraphras", "rephras", "reword", "correct the", "grammar", "edit ", "polite",
    "role-play", "roleplay", "role play", "pretend", "dialog", "conversation", "excuse", "script",
    "story", "quote", "sentence", "resign", "cancel", "letter", "email", "e-mail", "message from",
    "character", "act as", "complaint", "statement", "speech", "monologue", "poem", "lyrics",
    "拒绝", "婉拒", "道歉", "回复", "客服", "改写", "润色", "角色", "扮演", "对话", "故事", "病句",
    "造句", "台词", "邮件", "书信", "信", "剧本", "小说", "投诉", "句子", "推辞", "请假",
)  # fmt: skip
_SELF_GUARDS = (
    "as an ai", "as a large", "as a language", "language model", "an ai assistant", "openai",
    "training data", "knowledge cutoff", "knowledge update", "last update", "cut-off date", "chatgpt", "an artificial intelligence",
    "just an ai", "only an ai", "我的知识", "人工智能", "语言模型", "作为ai", "作为一个ai", "作为一名ai", "作为一款ai", "训练数据", "als ki",
    "als sprachmodell", "en tant qu", "como modelo", "como una ia", "come modello", "言語モデル",
    "aiとして", "ai로서", "언어 모델", "языковая модель",
)  # fmt: skip
_SELF = re.compile(
    r"\bas an ai(?:,| (?:language model|assistant|model|chatbot|system|program)\b|-(?:based|powered) "
    r"(?:assistant|model)| (?:i|developed|created|trained|designed)\b)"
    r"|\bas a (?:large )?language model\b|\bas an artificial intelligence(?:,| i\b| (?:language|model|assistant))"
    r"|\bi(?: am|'m)(?: just| only| merely| simply)? (?:an? )(?:ai|artificial intelligence)(?: language| assistant| model|,| and|\.)"
    r"|\bi(?: am|'m)(?: just| only)? a (?:large )?language model\b"
    r"|\bmy (?:knowledge cut-?off|training data|last (?:knowledge )?update)\b"
    r"|\bi was (?:trained|developed|created) by (?:openai|anthropic|google|meta|microsoft)"
    r"|(?:作为|身为)(?:一个|一名|一款|一种|个)?(?:大型|大)?(?:人工智能|ai|语言模型)(?:语言模型|语言|助手|助理|模型|程序|聊天机器人)*[，,我]"
    r"|我(?:只是|是|仅仅是)(?:一个|一款|一名|个)(?:大型|大)?(?:人工智能|ai|语言模型)(?:语言模型|助手|模型|程序)?"
    r"|我的(?:训练数据|知识库?(?:截止|更新|只到))"
    r"|\bals (?:ki|künstliche intelligenz|sprachmodell)[-, ]|\ben tant qu(?:e modèle|'ia|'intelligence artificielle)"
    r"|\bcomo (?:modelo de lenguaje|una ia|inteligencia artificial),?|\bcome (?:modello linguistico|ia)\b"
    r"|(?:言語モデル|ai)として、?|(?:언어 모델|ai)로서|как языковая модель"
)
_ABOUT_SELF = (
    " ai", "ai ", "artificial intel", "robot", "chatbot", "language model", "who are you", "chatgpt",
    "are you", "your name", "yourself", "machine learning", "assistant", "llm", "gpt",
    "can you feel", "人工智能", "机器人", "语言模型", "你是", "你叫", "您是", "模型", "助手",
)  # fmt: skip
_FICTION = (
    "story", "novel", "poem", "fiction", "dialog", "script", "character", "role", "pretend", "joke",
    "screenplay", "monologue", "song", "lyrics", "blog", "essay", "article", "故事", "小说", "诗",
    "剧本", "扮演", "角色", "对话", "笑话", "文章",
)  # fmt: skip
_QUOTES = "\"'“‘「『《`:：«"


def find_refusal(view: View) -> Hit | None:
    for turn, low in view.low_answers:
        head = low[:_HEAD]
        if not holds_any(head, _GUARDS):
            continue
        found = _REFUSAL.search(head)
        if found is None and not head.isascii():
            found = _REFUSAL_OTHER.search(head)
        elif found is None:
            found = _REFUSAL_OTHER.match(head.lstrip())
        if found is None or head[found.start() - 1 : found.start()] in tuple(_QUOTES):
            continue
        if found.start() > 120 or _is_wanted(view):
            continue
        return hit_match(turn, found)
    return None


def find_self_talk(view: View) -> Hit | None:
    for turn, low in view.low_answers:
        if not holds_any(low, _SELF_GUARDS):
            continue
        found = _SELF.search(low)
        if found is None or low[found.start() - 1 : found.start()] in tuple(_QUOTES):
            continue
        if holds_any(view.asked, _FICTION) and found.start() > 60:
            continue
        last_question = _before(view, turn)
        if holds_any(f" {last_question} ", _ABOUT_SELF):
            continue
        return hit_match(turn, found)
    return None


def _before(view: View, turn: int) -> str:
    asked = [low for index, low in view.low_prompts if index < turn]
    return asked[-1] if asked else ""


def _is_wanted(view: View) -> bool:
    return holds_any(view.asked, _WANTED) or wants_translation(view)


CHECKS = (
    RowCheck(
        "data.refusals",
        "warn",
        "had an answer that refuses",
        "A small set of refusals teaches a model to refuse far more than was refused here.",
        "Drop these rows unless the refusals are meant; then keep them for unsafe requests only.",
        find_refusal,
    ),
    RowCheck(
        "data.boilerplate",
        "warn",
        "had an answer in which an assistant speaks of itself as an AI",
        "The model learns the manner of another assistant, and its limits with it.",
        "Cut these sentences out, or drop the rows.",
        find_self_talk,
    ),
)
