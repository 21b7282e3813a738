"""Who works at Sakura Seiki: persons, organisations and groups, as all three systems know them.

A person's login is the same mail address everywhere, which is how identities are linked across systems.
All persons are fictional.
"""

from __future__ import annotations

import uuid
from dataclasses import dataclass

COMPANY = "桜精機株式会社"
COMPANY_EN = "Sakura Seiki Co., Ltd."
DOMAIN = "sakura-seiki.example"
TENANT_ID = "5a4b7a5e-1c1e-4f0e-9a51-0c0ffee05a1a"
_NAMESPACE = uuid.UUID(TENANT_ID)


def stable_id(kind: str, name: str) -> str:
    """A GUID that never changes for the same kind and name, as Entra object ids do not."""
    return str(uuid.uuid5(_NAMESPACE, f"{kind}:{name}"))


@dataclass(frozen=True)
class Organisation:
    """A department (部署). ``parent`` is the code of the one above it, or empty at the top."""

    code: str
    name: str
    name_en: str
    parent: str = ""


@dataclass(frozen=True)
class Group:
    """A group across departments. ``members`` are logins, ``nested`` are codes of groups inside this one."""

    code: str
    name: str
    name_en: str
    members: tuple[str, ...] = ()
    nested: tuple[str, ...] = ()

    @property
    def entra_id(self) -> str:
        """Object id of the group in the sandbox's Entra tenant."""
        return stable_id("group", self.code)


@dataclass(frozen=True)
class Person:
    """One employee or guest. ``organisation`` is a department code; ``guest`` marks people of other companies."""

    key: str
    name: str
    name_en: str
    organisation: str
    title: str
    guest: bool = False

    @property
    def login(self) -> str:
        """Login name in kintone, user principal name in Entra, and mail address: one string everywhere."""
        return f"{self.key}@{'partner.example' if self.guest else DOMAIN}"

    @property
    def mail(self) -> str:
        return self.login

    @property
    def entra_id(self) -> str:
        """Object id of the user in the sandbox's Entra tenant."""
        return stable_id("user", self.login)


ORGANISATIONS: tuple[Organisation, ...] = (
    Organisation("honsha", "本社", "Head Office"),
    Organisation("eigyo", "営業部", "Sales", "honsha"),
    Organisation("eigyo-east", "営業部 東日本課", "Sales East", "eigyo"),
    Organisation("eigyo-west", "営業部 西日本課", "Sales West", "eigyo"),
    Organisation("hinshitsu", "品質保証部", "Quality Assurance", "honsha"),
    Organisation("seizo", "製造部", "Manufacturing", "honsha"),
    Organisation("gijutsu", "技術部", "Engineering", "honsha"),
    Organisation("kobai", "購買部", "Purchasing", "honsha"),
    Organisation("jinji", "人事総務部", "Human Resources", "honsha"),
    Organisation("joho", "情報システム課", "Information Systems", "honsha"),
)

PEOPLE: tuple[Person, ...] = (
    Person("ichiro.sakurai", "櫻井 一郎", "Ichiro Sakurai", "honsha", "代表取締役"),
    Person("kenta.suzuki", "鈴木 健太", "Kenta Suzuki", "eigyo", "営業部長"),
    Person("yui.takahashi", "髙橋 結衣", "Yui Takahashi", "eigyo-east", "主任"),
    Person("daiki.watanabe", "渡邊 大輝", "Daiki Watanabe", "eigyo-east", "担当"),
    Person("haruka.ito", "伊藤 遥", "Haruka Ito", "eigyo-west", "課長"),
    Person("sota.yamamoto", "山本 颯太", "Sota Yamamoto", "eigyo-west", "担当"),
    Person("misaki.sato", "佐藤 美咲", "Misaki Sato", "hinshitsu", "品質保証部長"),
    Person("ren.nakamura", "中村 蓮", "Ren Nakamura", "hinshitsu", "検査係長"),
    Person("aoi.kobayashi", "小林 葵", "Aoi Kobayashi", "hinshitsu", "担当"),
    Person("takumi.kato", "加藤 匠", "Takumi Kato", "seizo", "製造部長"),
    Person("hinata.yoshida", "吉田 陽向", "Hinata Yoshida", "seizo", "班長"),
    Person("sakura.yamada", "山田 さくら", "Sakura Yamada", "seizo", "担当"),
    Person("kaito.sasaki", "佐々木 海斗", "Kaito Sasaki", "gijutsu", "技術部長"),
    Person("mio.matsumoto", "松本 澪", "Mio Matsumoto", "gijutsu", "設計"),
    Person("yuto.inoue", "井上 悠斗", "Yuto Inoue", "gijutsu", "設計"),
    Person("rin.kimura", "木村 凛", "Rin Kimura", "kobai", "購買課長"),
    Person("hiroto.hayashi", "林 大翔", "Hiroto Hayashi", "kobai", "担当"),
    Person("nanami.shimizu", "清水 七海", "Nanami Shimizu", "jinji", "人事総務部長"),
    Person("yuma.saito", "齋藤 悠真", "Yuma Saito", "jinji", "担当"),
    Person("akari.mori", "森 明里", "Akari Mori", "joho", "課長"),
    Person("riku.ikeda", "池田 陸", "Riku Ikeda", "joho", "担当"),
    Person("emma.wilson", "エマ・ウィルソン", "Emma Wilson", "gijutsu", "Technical Writer"),
    Person("taro.gaibu", "外部 太郎", "Taro Gaibu", "honsha", "協力会社", guest=True),
)

GROUPS: tuple[Group, ...] = (
    Group(
        "quality-members", "品質メンバー", "Quality members", ("misaki.sato@" + DOMAIN, "ren.nakamura@" + DOMAIN, "aoi.kobayashi@" + DOMAIN)
    ),
    Group("quality-board", "品質会議", "Quality board", ("takumi.kato@" + DOMAIN, "kaito.sasaki@" + DOMAIN), ("quality-members",)),
    Group("sales-all", "営業全員", "All sales", tuple(p.login for p in PEOPLE if p.organisation.startswith("eigyo"))),
    Group("engineering-all", "技術全員", "All engineering", tuple(p.login for p in PEOPLE if p.organisation == "gijutsu")),
    Group("manufacturing-all", "製造全員", "All manufacturing", tuple(p.login for p in PEOPLE if p.organisation == "seizo")),
    Group("support-desk", "サポート窓口", "Support desk", ("mio.matsumoto@" + DOMAIN,), ("sales-all", "quality-members")),
    Group("hr-confidential", "人事機密", "HR confidential", ("nanami.shimizu@" + DOMAIN, "yuma.saito@" + DOMAIN)),
    Group("managers", "管理職", "Managers", tuple(p.login for p in PEOPLE if p.title.endswith(("部長", "課長", "取締役")))),
    Group("it-admins", "情シス管理者", "IT administrators", ("akari.mori@" + DOMAIN, "riku.ikeda@" + DOMAIN)),
)


def person(key_or_login: str) -> Person:
    """The person with this key (``misaki.sato``) or login (``misaki.sato@…``). Raises KeyError for anybody else."""
    for someone in PEOPLE:
        if key_or_login in (someone.key, someone.login):
            return someone
    raise KeyError(key_or_login)


def group(code: str) -> Group:
    """The group with this code. Raises KeyError when there is none."""
    for one in GROUPS:
        if one.code == code:
            return one
    raise KeyError(code)


def flat_members(code: str) -> frozenset[str]:
    """Logins of everybody in a group, nested groups followed to the end."""
    seen: set[str] = set()
    logins: set[str] = set()
    todo = [code]
    while todo:
        current = todo.pop()
        if current in seen:
            continue
        seen.add(current)
        one = group(current)
        logins.update(one.members)
        todo.extend(one.nested)
    return frozenset(logins)
