"""Reading tables: what is read, and the errors of bad files, which name line and column."""

import gzip

import pytest

from fastnn._commands.table_files import TableError, find_column, read_table

pd = pytest.importorskip("pandas")


def written(folder, text, name="table.csv", encoding="utf-8"):
    path = folder / name
    path.write_bytes(text.encode(encoding))
    return path


@pytest.mark.parametrize("separator", [",", ";", "\t", "|"])
def test_the_separator_is_found(separator, tmp_path):
    path = written(tmp_path, separator.join("ab") + "\n" + separator.join(("1.5", "x, y")) + "\n")
    if separator == ",":
        path = written(tmp_path, 'a,b\n1.5,"x, y"\n')
    frame = read_table(path)
    assert list(frame.columns) == ["a", "b"]
    assert frame.iloc[0].tolist() == [1.5, "x, y"]


def test_a_compressed_file_with_a_byte_order_mark_is_read(tmp_path):
    path = tmp_path / "table.csv.gz"
    path.write_bytes(gzip.compress("\ufeffage,job\n31,cook\n".encode()))
    assert list(read_table(path).columns) == ["age", "job"]


def test_blanks_after_separators_are_no_part_of_names_or_values(tmp_path):
    frame = read_table(written(tmp_path, "age, job\n31, cook\n"))
    assert frame.to_dict("records") == [{"age": 31, "job": "cook"}]


def test_texts_given_as_missing_are_gaps(tmp_path):
    frame = read_table(written(tmp_path, "age,job\n?,cook\n31,?\n,NA\n"), missing=["?"])
    assert frame.isna().sum().tolist() == [2, 2]
    assert frame["age"].dtype == float


def test_columns_of_a_file_without_names_are_numbered(tmp_path):
    frame = read_table(written(tmp_path, "31,cook\n40,smith\n"), header=False)
    assert frame.to_dict("list") == {"1": [31, 40], "2": ["cook", "smith"]}


def test_parquet_is_read(tmp_path):
    pytest.importorskip("pyarrow")
    pd.DataFrame({"age": [31, 40], "job": ["cook", None]}).to_parquet(tmp_path / "table.parquet")
    assert read_table(tmp_path / "table.parquet")["job"].isna().tolist() == [False, True]


def test_a_named_index_in_parquet_is_a_column(tmp_path):
    pytest.importorskip("pyarrow")
    pd.DataFrame({"age": [31, 40]}, index=pd.Index(["a", "b"], name="key")).to_parquet(tmp_path / "table.parquet")
    assert list(read_table(tmp_path / "table.parquet")) == ["key", "age"]


@pytest.mark.parametrize(("text", "message"), [
    ("", "is empty"),
    ("a,b\n", "has no rows"),
    ("a,b\n1,2\n3,4,5\n", "line 3: 3 values, but the first line has 2"),
    ("31,cook\n40,smith\n", "'31', so it does not look like names.*--no-header"),
    ("a,b,a\n1,2,3\n", "two columns are named 'a'"),
    ("a,,c\n1,2,3\n", "column 2 has no name"),
    ("a,b\n" + "1,2\n" * 20 + "1,x2\n" + "1,2\n" * 20, "line 22, column 'b': 'x2' is not a number.*--categorical 'b'"),
    ("a,b\n\n" + '1,"2"\n' * 20 + "1,x2\n", "line 23, column 'b': 'x2' is not a number, but 20 of the 21"),
    ('a,b\n"k\nl",2\nm,inf\n', "line 4, column 'b': the number is infinite"),
    ("a,b\n1,2\n1,1e999\n", "line 3, column 'b': the number is infinite, or too large"),
    ('a,b\nk,2\nl,"3\nm,4\n', "line 3: the quotation mark that opens a value is never closed"),
])
def test_a_bad_file_is_refused(text, message, tmp_path):
    with pytest.raises(TableError, match=message):
        read_table(written(tmp_path, text))


def test_another_encoding_is_refused_with_the_line(tmp_path):
    path = written(tmp_path, "name,age\nAda,3\nZoë,4\n", encoding="latin1")
    with pytest.raises(TableError, match="line 3: byte 3 is not UTF-8"):
        read_table(path)


def test_a_file_of_16_bit_characters_is_refused_by_name(tmp_path):
    with pytest.raises(TableError, match="is UTF-16; save it as UTF-8"):
        read_table(written(tmp_path, "name,age\nAda,3\n", encoding="utf-16"))


def test_values_of_unused_columns_are_not_checked(tmp_path):
    text = "a,b\n" + "1,2\n" * 20 + "inf,x2\n"
    assert len(read_table(written(tmp_path, text), used=lambda name: name == "c")) == 21


@pytest.mark.parametrize(("name", "content"), [("table.parquet", b"a,b\n1,2\n"), ("table.csv.gz", b"a,b\n1,2\n")])
def test_a_file_of_another_format_is_refused(name, content, tmp_path):
    pytest.importorskip("pyarrow")
    (tmp_path / name).write_bytes(content)
    with pytest.raises(TableError, match=name):
        read_table(tmp_path / name)


def test_a_missing_file_is_an_operating_system_error(tmp_path):
    with pytest.raises(FileNotFoundError):
        read_table(tmp_path / "none.csv")


def test_a_column_of_text_that_looks_like_numbers_may_be_declared(tmp_path):
    text = "a,b\n" + "1,2\n" * 20 + "1,x2\n"
    assert read_table(written(tmp_path, text), text_columns=["b"])["b"].iloc[-1] == "x2"


def test_an_unknown_column_is_refused_with_similar_names():
    with pytest.raises(TableError, match=r"no column 'incme' \(--target\); did you mean 'income'"):
        find_column(["age", "income"], "incme", "--target")
