//! A text that is shown again and again: on a terminal in place, elsewhere line after line.

use std::io::{self, IsTerminal};

use super::output::{Reader, print_text};
use crate::error::CommandError;

/// Of a terminal that does not tell its size.
const SIZE: (usize, usize) = (80, 24);

/// Standard output. On a terminal nothing is left behind that an interrupt would have to undo: the
/// cursor stays visible, below what is shown.
pub(crate) struct Screen {
    terminal: bool,
    /// Lines to go back before the next text.
    drawn: usize,
}

impl Screen {
    pub(crate) fn new() -> Self {
        let dumb = std::env::var_os("TERM").is_some_and(|kind| kind == "dumb");
        Self { terminal: io::stdout().is_terminal() && !dumb, drawn: 0 }
    }

    /// Whether it is redrawn in place.
    pub(crate) fn is_terminal(&self) -> bool {
        self.terminal
    }

    /// Shows `text`: instead of the last one, or below it.
    pub(crate) fn show(&mut self, text: &str) -> Result<Reader, CommandError> {
        if !self.terminal {
            return print_text(text);
        }
        let (shown, lines) = redraw(text, self.drawn, size());
        self.drawn = lines;
        print_text(&shown)
    }

    /// Clears what an interrupt wrote on the line of the cursor (`^C`).
    pub(crate) fn end(&self) {
        if self.terminal && self.drawn > 0 {
            // Nothing is left to show.
            print_text("\r\x1b[K").ok();
        }
    }
}

fn size() -> (usize, usize) {
    match rustix::termios::tcgetwinsize(io::stdout()) {
        Ok(size) if size.ws_col > 0 && size.ws_row > 0 => (size.ws_col.into(), size.ws_row.into()),
        _ => SIZE,
    }
}

/// What writes `text` over the last `drawn` lines, and how many lines it has then. No line is wider
/// than the terminal and the whole not higher, or going back would miss its start.
fn redraw(text: &str, drawn: usize, (columns, rows): (usize, usize)) -> (String, usize) {
    let mut shown = String::from("\r");
    if drawn > 0 {
        shown += &format!("\x1b[{drawn}A");
    }
    let mut lines = 0;
    for line in text.lines().take(rows.saturating_sub(1)) {
        shown.extend(line.chars().take(columns));
        shown += "\x1b[K\n";
        lines += 1;
    }
    (shown + "\x1b[J", lines)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_text_is_written_over_the_last_one_and_cut_to_the_terminal() {
        let (first, lines) = redraw("abc\ndefgh\n", 0, (4, 24));
        assert_eq!((&*first, lines), ("\rabc\x1b[K\ndefg\x1b[K\n\x1b[J", 2));
        let (second, lines) = redraw("a\nb\nc\n", 2, (4, 3));
        assert_eq!((&*second, lines), ("\r\x1b[2Aa\x1b[K\nb\x1b[K\n\x1b[J", 2));
    }
}
