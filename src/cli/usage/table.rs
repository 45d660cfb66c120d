//! Rows for people, and for other programs.

use std::fmt::Write as _;

/// Rows under one heading.
pub(super) struct Table {
    rows: Vec<Vec<String>>,
}

impl Table {
    pub(super) fn new<'n>(names: impl IntoIterator<Item = &'n str>) -> Self {
        Self { rows: vec![names.into_iter().map(str::to_owned).collect()] }
    }

    pub(super) fn add(&mut self, row: impl IntoIterator<Item = String>) {
        self.rows.push(row.into_iter().collect());
    }

    /// As RFC 4180 has it.
    pub(super) fn csv(&self) -> String {
        let line = |row: &Vec<String>| {
            let fields: Vec<_> = row.iter().map(|field| quoted(field)).collect();
            format!("{}\r\n", fields.join(","))
        };
        self.rows.iter().map(line).collect()
    }

    /// In columns: text to the left, numbers to the right.
    pub(super) fn aligned(&self) -> String {
        let columns = self.rows.first().map_or(0, Vec::len);
        let cells = |at: usize| self.rows.iter().filter_map(move |row| row.get(at));
        let shape = |at: usize| {
            let width = cells(at).map(|cell| cell.chars().count()).max().unwrap_or_default();
            (width, cells(at).skip(1).all(|cell| is_number(cell)))
        };
        let shapes: Vec<_> = (0..columns).map(shape).collect();
        let mut text = String::new();
        for row in &self.rows {
            let mut line = String::new();
            for (cell, (width, is_right)) in row.iter().zip(&shapes) {
                // Writing to a string does not fail.
                let _ = match is_right {
                    true => write!(line, "{cell:>width$}  "),
                    false => write!(line, "{cell:<width$}  "),
                };
            }
            text.push_str(line.trim_end());
            text.push('\n');
        }
        text
    }
}

fn is_number(cell: &str) -> bool {
    cell.bytes().all(|byte| byte.is_ascii_digit() || byte == b'.')
}

/// A field, between quotes where it needs them.
fn quoted(field: &str) -> String {
    if field.contains([',', '"', '\r', '\n']) {
        format!("\"{}\"", field.replace('"', "\"\""))
    } else {
        field.to_owned()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn fields_are_quoted_where_they_must_be() {
        let mut table = Table::new(["team", "calls"]);
        for odd in ["plain", "a,b", "say \"hi\"", "two\nlines", ""] {
            table.add([odd.to_owned(), "12".to_owned()]);
        }
        let expected =
            "team,calls\r\nplain,12\r\n\"a,b\",12\r\n\"say \"\"hi\"\"\",12\r\n\"two\nlines\",12\r\n,12\r\n";
        assert_eq!(table.csv(), expected);
        assert!(table.aligned().starts_with("team       calls\nplain         12\n"), "{}", table.aligned());
    }
}
