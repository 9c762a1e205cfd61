"""Texts by which a copy of an embedding model is calibrated, and others by which it is then judged.

They are of many kinds and languages, as nothing is known of what will be indexed. Neither list contains a text of a
corpus or of a question set that results are reported on.
"""

CALIBRATION = (
    "Refunds are paid within fourteen days of the return's arrival at our warehouse, to the card that was used.",
    "What does the warranty cover if the battery fails after 18 months?",
    "The tenant shall give written notice no later than three months before the lease ends (see 12.4).",
    "Quarterly report > Revenue\nQuarter: Q3; Region: EMEA; Revenue: € 1,204,310.55; Change: -3.2 %; Target met: no",
    "import os\n\n\ndef main(argv: list[str]):\n    for path in argv[1:]:\n        print(os.stat(path).st_size)\n"
    "    return 0\n",
    "$ git clone ssh://git@example.org:2222/team/project.git && cd project && make -j4 2>&1 | tee build.log",
    '{"id": 48213, "state": "open", "tags": ["billing", "eu-west-1"], "opened": "2024-02-29T23:59:59Z", "cost": null}',
    "ERROR 2023-11-05 04:12:07,331 worker-7 connection pool exhausted (size=32, overflow=8, timeout=30.00)",
    "<nav><a href='/docs'>Docs</a></nav><h1>Install</h1><p>Download the archive &amp; unpack it.</p>",
    "The mitochondrion produces most of the cell's adenosine triphosphate, which is why it is called its powerhouse.",
    "In 1889 the tower was the tallest structure in the world, a title that it kept for forty-one years.",
    "She had not expected an answer; still, when none came, the silence of the house seemed louder than before.",
    "Dear all,\n\nPlease find attached the minutes of yesterday's meeting. Next one: Tuesday, 10:30.\n\nBest,\nAnna",
    "Patients with an estimated glomerular filtration rate below 30 mL/min/1.73 m² should receive half of the dose.",
    "Let f: X → Y be continuous. If X is compact, then f(X) is compact; hence |f| attains its maximum ∎",
    "| Plan | Seats | Price |\n|---|---|---|\n| Basic | 5 | $29 |\n| Enterprise | unlimited | on request |",
    "how to reset password",
    "vpn not working on mac after update??? pls help!!! 😡",
    "WARNING: HIGH VOLTAGE. DISCONNECT THE MAINS BEFORE OPENING THE CASE. RISK OF ELECTRIC SHOCK.",
    "1. Preheat the oven to 220 °C.\n2. Whisk 3 eggs with 150 g of sugar.\n3. Fold in the flour.\n4. Bake for 25 min.",
    "Council Regulation (EC) No 1907/2006, Annex XVII, entry 63: lead and its compounds; CAS No 7439-92-1.",
    "SELECT c.name, COUNT(*) AS orders FROM customers c JOIN orders o ON o.customer_id = c.id GROUP BY c.name;",
    "The cache is invalidated whenever the schema changes. It is not shared between workers, so each warms its own.",
    "ISBN 978-3-16-148410-0, DOI 10.1000/182, +44 20 7946 0958, 51.5074° N, 0.1278° W, 0x7fffdeadbeef, v2.13.0rc1",
    "年次有給休暇は、入社日から6か月間継続勤務し、全労働日の8割以上出勤した社員に10日付与する。",
    "設定ファイルを編集したあとは、サービスを再起動してください。再起動しないと変更は反映されません。",
    "パスワードを忘れた場合はどうすればいいですか?",
    "第十二条　甲は、乙が本契約に違反したときは、相当の期間を定めて催告の上、本契約を解除することができる。",
    "该服务每天凌晨两点备份数据库，备份文件保留三十天，之后自动删除。",
    "이 제품은 구입일로부터 1년 동안 무상으로 수리해 드립니다.",
    "Der Antrag ist spätestens vier Wochen vor Beginn der Elternzeit schriftlich beim Personalbüro einzureichen.",
    "Les frais de déplacement sont remboursés sur présentation des justificatifs originaux, dans la limite du barème.",
    "El plazo para presentar la reclamación es de treinta días naturales a partir de la recepción del pedido.",
    "Срок хранения персональных данных составляет пять лет с момента расторжения договора.",
    "يجب تقديم طلب الإجازة قبل أسبوعين على الأقل من تاريخ بدايتها.",
    "a",
    "the the the the the the the the the the the the the the the the the the the the the the the the",
    "- [ ] todo\n- [x] done\n\n---\n\n***\n\n.............. 12\n\n\t\t\t|||   ###   >>>   \\\\\\ ~~~ ^^^ %%% @@@",
)

JUDGED = (
    "How many days of paid parental leave do I get?",
    "Configure the server > Timeouts\nPath parameters are declared with the same syntax as Python format strings.",
    "The limit for a hotel in London is 165 pounds a night. " * 40,
    "在宅勤務は週に3日までとする。申請は前日の17時までに行う。",
    "Rechnungen werden quartalsweise per E-Mail verschickt; Zahlungsziel: 30 Tage.",
    "def read_item(item_id: int, q: str | None = None) -> dict[str, object]: ...",
    "  Leading spaces, UPPER CASE & a number: 3.14159  ",
    "x",
)


def calibration_texts() -> list[str]:
    """The texts alone and, as chunks are longer, in runs of six."""
    runs = ["\n".join(CALIBRATION[i : i + 6]) for i in range(0, len(CALIBRATION), 6)]
    return [*CALIBRATION, *runs]
