"""Error answers of the kintone API: code, HTTP status, and a sentence in the caller's language. Clients match the code only."""

from __future__ import annotations

import secrets
from dataclasses import dataclass, field
from string import Formatter
from typing import Any

_BAD, _AUTH, _FORBIDDEN, _GONE, _CONFLICT, _BUSY = 400, 401, 403, 404, 409, 429

#: code -> (HTTP status, Japanese, English). Codes and statuses from the protocol sheet, section 1.6; the sentences are the sandbox's own.
CATALOGUE: dict[str, tuple[int, str, str]] = {
    "CB_VA01": (_BAD, "入力内容が正しくありません。", "Missing or invalid input."),
    "CB_IJ01": (_BAD, "JSONとして読めません。", "The body is not valid JSON."),
    "CB_IL02": (_BAD, "不正なリクエストです。", "Illegal request."),
    "CB_AU01": (_AUTH, "ログインしてください。", "Please log in."),
    "CB_WA01": (_AUTH, "ログイン名またはパスワードが正しくありません。", "The login name or the password is wrong."),
    "CB_TW02": (_AUTH, "2要素認証が必要なユーザーです。", "The user must log in with two factors."),
    # Not in the sheet: what the service answers to a bad OAuth token was not measured.
    "CB_OA01": (_AUTH, "OAuthトークンが無効です。", "The OAuth token is invalid."),
    "CB_NO02": (_FORBIDDEN, "権限がありません。", "No privilege to proceed."),
    "CB_NF01": (_GONE, "指定されたAPIは存在しません。", "There is no such API."),
    "GAIA_IA02": (_BAD, "指定したAPIトークンは、このアプリのものではありません。", "The API token does not belong to this app."),
    "GAIA_NO01": (_FORBIDDEN, "このAPIトークンでは、このAPIを実行できません。", "This API token cannot run this API."),
    "GAIA_AP01": (_GONE, "指定したアプリ（id: {id}）が見つかりません。", "The app (id: {id}) was not found."),
    "GAIA_IL23": (_BAD, "ゲストスペースのアプリには、ゲストスペースのURLを使用してください。", "Use the guest space's path for its apps."),
    "GAIA_IL25": (_BAD, "ゲストスペースが見つかりません。", "The guest space was not found."),
    "GAIA_SP01": (_GONE, "スペースが見つかりません。", "The space was not found."),
    "GAIA_FC01": (_BAD, "フォームを変更できません（{reason}）。", "The form cannot be changed ({reason})."),
    "GAIA_CM01": (_BAD, "コメント機能が無効です。", "Comments are switched off."),
    "GAIA_RE02": (_BAD, "指定したコメント（id: {id}）が見つかりません。", "The comment (id: {id}) was not found."),
    "GAIA_IL08": (_BAD, "関数「{name}」の引数が範囲外です。", "An argument of function {name} is out of range."),
    "GAIA_DA02": (_BAD, "データベースのロックに失敗しました。時間をおいて再度お試しください。", "The database is locked. Try again later."),
    "GAIA_LT01": (_BAD, "ほかの処理が実行中です。時間をおいて再度お試しください。", "Another operation is running. Try again later."),
    "GAIA_RE18": (
        _BAD,
        "データベースのロックに失敗したため、レコードを変更できません。",
        "The record cannot be changed: the database is locked.",
    ),
    "GAIA_CO03": (_CONFLICT, "アプリの設定のrevisionは最新ではありません。", "The revision of the app's settings is not the latest."),
    "GAIA_RE01": (_GONE, "指定したレコード（id: {id}）が見つかりません。", "The record (id: {id}) was not found."),
    "GAIA_BL01": (_GONE, "指定したファイル（id: {id}）が見つかりません。", "The file (id: {id}) was not found."),
    "GAIA_CN01": (_GONE, "指定したカーソルが見つからないか、有効期限が切れています。", "The cursor does not exist or has expired."),
    "GAIA_TM12": (_BUSY, "作成できるカーソルの上限に達しています。", "The limit of live cursors has been reached."),
    "GAIA_TO04": (_BUSY, "同時に実行できるAPIリクエスト数の上限を超えました。", "Too many API requests at the same time."),
    "GAIA_QU01": (_BAD, "limitには500以下の値を指定してください。", "limit must be 500 or less."),
    "GAIA_QU02": (_BAD, "offsetには10,000以下の値を指定してください。", "offset must be 10,000 or less."),
    "GAIA_IQ03": (_BAD, "フィールド「{field}」には演算子「{op}」を使用できません。", "Operator {op} cannot be used with field {field}."),
    "GAIA_IQ07": (
        _BAD,
        "テーブル内のフィールド「{field}」には演算子「{op}」を使用できません。",
        "Operator {op} cannot be used with field {field} inside a table.",
    ),
    "GAIA_IQ10": (_BAD, "フィールド「{field}」の選択肢に「{value}」はありません。", "Field {field} has no option {value}."),
    "GAIA_IQ11": (_BAD, "指定されたフィールド（code: {field}）が見つかりません。", "The field (code: {field}) was not found."),
    "GAIA_IQ23": (_BAD, "関数「{name}」の引数が正しくありません。", "Wrong arguments for function {name}."),
    "GAIA_IQ25": (_BAD, "フィールド「{field}」に関数「{name}」は使用できません。", "Function {name} cannot be used with field {field}."),
    "GAIA_IR02": (
        _BAD,
        "指定されたフィールド「{field}」はテーブルを経由して参照できません。",
        "Field {field} cannot be addressed through its table.",
    ),
    "GAIA_IL42": (_BAD, "条件に指定した「{value}」は存在しません。", "{value} in the condition does not exist or was deleted."),
    "GAIA_CO02": (_CONFLICT, "指定したrevisionは最新ではありません。", "The revision is not the latest."),
    "GAIA_LO04": (_BAD, "ルックアップの参照先に「{value}」がありません。", "The lookup found no record for {value}."),
    "GAIA_ST02": (_BAD, "ステータスを変更できません。", "The status cannot be changed."),
    "GAIA_UN03": (_BAD, "updateKeyに指定したフィールドは使用できません。", "The field cannot be used as an updateKey."),
}

#: Sentences under ``errors.<path>.messages``.
MESSAGES: dict[str, tuple[str, str]] = {
    "required": ("必須です。", "Required."),
    "integer": ("整数で指定してください。", "Must be an integer."),
    "range": ("{low}から{high}までの値を指定してください。", "Must be between {low} and {high}."),
    "count": ("{high}件以下で指定してください。", "No more than {high} items."),
    "list": ("配列で指定してください。", "Must be a list."),
    "boolean": ("trueまたはfalseを指定してください。", "Must be true or false."),
    "syntax": ("クエリ記法が間違っています（{at}文字目付近）。", "Syntax error in the query near character {at}."),
    "no_paging": ("カーソルのクエリにlimitとoffsetは指定できません。", "A cursor's query cannot hold limit or offset."),
    "number": ("数字でなければなりません。", "Must be a number."),
    "datetime": ("日時の形式が正しくありません。", "Not a date and time."),
    "date": ("日付の形式が正しくありません。", "Not a date."),
    "time": ("時刻の形式が正しくありません。", "Not a time."),
    "option": ("「{value}」は選択肢にありません。", "{value} is not an option."),
    "unique": ("値がほかのレコードと重複しています。", "The value is already used by another record."),
    "user": ("「{value}」は存在しません。", "{value} does not exist."),
    "text": ("文字列で指定してください。", "Must be text."),
    "file": ("アップロードしたファイルのfileKeyではありません。", "Not the fileKey of an uploaded file."),
}


@dataclass
class KintoneError(Exception):
    """A refused request. ``paths`` maps a parameter path to (message key, placeholders)."""

    code: str
    words: dict[str, Any] = field(default_factory=dict)
    paths: dict[str, tuple[str, dict[str, Any]]] = field(default_factory=dict)

    @property
    def status(self) -> int:
        return CATALOGUE[self.code][0]

    def __post_init__(self) -> None:
        # An error that was ordered by a fault comes without its facts.
        text = "".join(CATALOGUE[self.code][1:])
        self.words = {name: "?" for _, name, _, _ in Formatter().parse(text) if name} | self.words

    def body(self, lang: str) -> dict[str, Any]:
        """The JSON answer in ``ja`` or ``en``; ``id`` is what Cybozu's support would ask for."""
        which = 0 if lang == "ja" else 1
        message = CATALOGUE[self.code][1] if lang == "ja" else CATALOGUE[self.code][2]
        answer: dict[str, Any] = {
            "code": self.code,
            "id": secrets.token_urlsafe(15),
            "message": message.format(**self.words),
        }
        if self.paths:
            answer["errors"] = {path: {"messages": [MESSAGES[key][which].format(**words)]} for path, (key, words) in self.paths.items()}
        return answer


def invalid(path: str, key: str, **words: Any) -> KintoneError:
    """CB_VA01 with one message under ``errors``."""
    return KintoneError("CB_VA01", paths={path: (key, words)})
