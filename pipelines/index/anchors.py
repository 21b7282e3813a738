"""Sentences said in both languages, and from them what language alone puts into a vector, so that it can be taken out."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    Vectors = NDArray[np.float32]

#: Where means of models that we know are kept.
MEANS = Path(__file__).parent
#: Stands in the revision of a model whose vectors are freed by these sentences: others give other vectors.
FORM = "even/1"
#: Everyday sentences of no company's documents, statements and questions, each with its translation. That both say the same is what makes the
#: difference of the two means one of language.
SAID = (
    ("会議は毎週月曜日の朝に三階の会議室で開きます。", "The meeting is held every Monday morning in the room on the third floor."),
    ("この機械を動かす前に、取扱説明書をよく読んでください。", "Read the manual carefully before you start this machine."),
    ("請求書は月末に締めて、翌月の末日までに支払います。", "Invoices are closed at the end of the month and paid by the end of the next."),
    (
        "新しい駅は市の北側に建てられ、来年の春に開業する。",
        "The new station is being built in the north of the city and opens next spring.",
    ),
    ("荷物が届いていない場合は、どこに連絡すればよいですか。", "Whom should I contact if the parcel has not arrived?"),
    ("温度が上がりすぎると、装置は自動的に止まる。", "When the temperature rises too far, the device stops by itself."),
    ("申込書に名前と住所を書いて、窓口に出してください。", "Write your name and address on the form and hand it in at the counter."),
    ("この川は山から海まで二百キロメートル流れている。", "This river runs two hundred kilometres from the mountains to the sea."),
    ("部品を交換する費用はいくらかかりますか。", "How much does it cost to replace the part?"),
    ("雨の日は試合が中止になることがあります。", "On rainy days the match may be called off."),
    ("検査の結果は記録し、責任者が確認する。", "The results of the inspection are recorded and checked by the person in charge."),
    ("彼女は大学で歴史を学び、後に本を書いた。", "She studied history at university and later wrote a book."),
    ("予約を変更したいのですが、いつまでに知らせればよいですか。", "Until when can I change my booking?"),
    ("値段には税金と送料が含まれています。", "The price includes tax and delivery."),
    ("工場では安全のために帽子と手袋を着ける。", "In the factory, helmets and gloves are worn for safety."),
    ("表の左の列には品名、右の列には数量がある。", "The left column of the table gives the name, the right one the quantity."),
    ("病院は駅から歩いて十分のところにある。", "The hospital is ten minutes on foot from the station."),
    ("契約の期間は二年で、その後は一年ごとに更新する。", "The contract runs for two years and is then renewed year by year."),
    ("なぜその製品は売れなくなったのですか。", "Why did the product stop selling?"),
    ("水を一リットル加え、弱い火で三十分煮る。", "Add one litre of water and simmer for thirty minutes."),
    ("書類は鍵のかかる棚に五年間保管する。", "The papers are kept in a locked cabinet for five years."),
    ("社員は誰でもこの制度を利用できますか。", "Can every employee make use of this scheme?"),
    ("この町は古い寺と静かな庭で知られている。", "The town is known for its old temples and quiet gardens."),
    ("故障の原因は、ねじの締め付けが足りなかったことだった。", "The failure was caused by a screw that had not been tightened enough."),
)


def means(japanese: Vectors, english: Vectors) -> Mapping[str, Vectors]:
    """What stands in every vector of a language, by ``Chunk.lang``. A text of neither language has the middle of both."""
    return {"ja": japanese, "en": english, "": (0.5 * (japanese + english)).astype(japanese.dtype)}


def freed(vectors: Vectors, texts: Sequence[str], mean: Mapping[str, Vectors]) -> Vectors:
    """The vectors without their language's mean, of length one again.

    A multilingual model puts texts of one language close together whatever they say, and all texts close together: measured on the example
    project's dev questions, that hid answers in the other language, and blurred those in the same (decision 038).
    """
    import numpy as np

    from pipelines.index.chunks import language

    if not len(texts):
        return vectors
    left = vectors - np.stack([mean[language(text)] for text in texts])
    length = np.linalg.norm(left, axis=1, keepdims=True)
    return (left / np.where(length > 0, length, 1)).astype(np.float32)
