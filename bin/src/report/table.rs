//! Tables for people: columns apart by two spaces, and no rules or colours.

/// On which side the cells of a column stand.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Side {
    Left,
    Right,
}

/// The lines of a table, its head first.
pub(super) fn lines<const N: usize>(
    sides: [Side; N],
    head: [&str; N],
    rows: &[[String; N]],
) -> Vec<String> {
    let head = head.map(str::to_owned);
    let width = |column: usize| {
        let cells = rows.iter().chain([&head]).map(|row| row[column].chars().count());
        cells.max().unwrap_or_default()
    };
    let widths: [usize; N] = std::array::from_fn(width);
    let line = |row: &[String; N]| {
        let mut line = String::new();
        for (column, cell) in row.iter().enumerate() {
            let width = widths[column];
            line += &match sides[column] {
                Side::Left => format!("{cell:<width$}  "),
                Side::Right => format!("{cell:>width$}  "),
            };
        }
        line.trim_end().to_owned()
    };
    [&head].into_iter().chain(rows).map(line).collect()
}

/// `text` in at most `width` characters; the end of a name tells more than its start.
pub(super) fn end_of(text: &str, width: usize) -> String {
    let count = text.chars().count();
    if count <= width {
        return text.to_owned();
    }
    let end = text.chars().skip(count - width.saturating_sub(1));
    std::iter::once('…').chain(end).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn columns_are_as_wide_as_their_widest_cell() {
        let rows = [["a".to_owned(), "1".to_owned()], ["long".to_owned(), "23 456".to_owned()]];
        let lines = lines([Side::Left, Side::Right], ["id", "n"], &rows);
        assert_eq!(lines, ["id         n", "a          1", "long  23 456"]);
    }

    #[test]
    fn a_name_that_is_cut_keeps_its_end() {
        assert_eq!(end_of("worker-7da7321a", 15), "worker-7da7321a");
        assert_eq!(end_of("worker-7da7321a", 9), "…7da7321a");
    }
}
