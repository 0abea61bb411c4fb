//! The table a bench ends with.

/// Rows of text under a head, each column as wide as it needs to be.
pub struct Table {
    rows: Vec<Vec<String>>,
}

impl Table {
    /// An empty table with these columns.
    pub fn new(columns: &[&str]) -> Self {
        Self {
            rows: vec![columns.iter().map(|column| (*column).to_owned()).collect()],
        }
    }

    /// Adds a row.
    pub fn row(&mut self, cells: Vec<String>) {
        self.rows.push(cells);
    }

    /// Prints it.
    pub fn print(&self, title: &str) {
        println!("\n{title}\n");
        let columns = self.rows.iter().map(Vec::len).max().unwrap_or(0);
        let width = |column: usize| {
            self.rows
                .iter()
                .filter_map(|row| row.get(column))
                .map(|cell| cell.chars().count())
                .max()
                .unwrap_or(0)
        };
        for row in &self.rows {
            let cells = (0..columns).map(|column| {
                let cell = row.get(column).map_or("", String::as_str);
                // The first column names the row; the others are figures.
                if column == 0 {
                    format!("{cell:<width$}", width = width(column))
                } else {
                    format!("{cell:>width$}", width = width(column))
                }
            });
            println!("  {}", cells.collect::<Vec<_>>().join("   ").trim_end());
        }
        println!();
    }
}

/// A number with its thousands apart.
pub fn grouped(number: f64) -> String {
    let digits = format!("{number:.0}");
    let mut shown = String::new();
    for (index, digit) in digits.chars().enumerate() {
        if index > 0 && (digits.len() - index).is_multiple_of(3) {
            shown.push(',');
        }
        shown.push(digit);
    }
    shown
}

/// Whether a wish was reached, in a word.
pub const fn verdict(reached: bool) -> &'static str {
    if reached { "reached" } else { "MISSED" }
}
