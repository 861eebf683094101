from __future__ import annotations

from jupyter_chatd.workspace.kernels.tables import markdown_of

FRAME = """<div><style scoped> .dataframe th { color: red } </style>
<table border="1" class="dataframe"><thead><tr style="text-align: right;">
<th></th><th>a</th><th>b|c</th></tr></thead>
<tbody><tr><th>0</th><td>1</td><td>x<br>y</td></tr><tr><th>1</th><td>2</td><td>&lt;z&gt;</td></tr></tbody></table>
<p>2 rows × 2 columns</p></div>"""


def test_a_data_frame_as_pandas_shows_it() -> None:
    assert markdown_of(FRAME) == (
        "|  | a | b\\|c |\n| --- | --- | --- |\n| 0 | 1 | x y |\n| 1 | 2 | <z> |\n\n2 rows × 2 columns\n"
    )


def test_cells_over_several_columns_and_short_rows_are_filled_up() -> None:
    html = "<table><tr><th colspan=2>ab</th><th>c<tr><td>1</table>"
    assert markdown_of(html) == "| ab |  | c |\n| --- | --- | --- |\n| 1 |  |  |\n"


def test_long_tables_are_cut() -> None:
    html = "<table>" + "".join(f"<tr><td>{n}</td></tr>" for n in range(300)) + "</table>"
    made = markdown_of(html)
    assert made is not None
    assert made.endswith("| 199 |\n(100 more rows)\n")


def test_what_is_no_single_table_is_left_to_others() -> None:
    assert markdown_of("<b>bold</b>") is None
    assert markdown_of("<table></table>") is None
    assert markdown_of("<table><tr><td>1</td></tr></table>" * 2) is None
    assert markdown_of("<table><tr><td>" + "x" * 600_000) is None
