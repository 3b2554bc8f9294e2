//! Screen: ratatui's cells as text for the writer.
//!
//! ratatui's own backend erases by `CSI 2 J`, which frees pictures that a terminal keeps, and asks
//! the terminal for the cursor, which would read standard input. This one does neither.

use std::io::{self, Write};
use std::sync::Arc;

use ratatui::backend::{Backend, ClearType, WindowSize};
use ratatui::buffer::Cell;
use ratatui::layout::{Position, Size};

use super::restore::Tty;
use super::{Session, Writer};
use crate::graphics::cells::text;
use crate::graphics::sequences::ERASE;

/// The backend that the interface draws on.
#[derive(Debug)]
pub struct Screen {
    writer: Writer,
    tty: Arc<Tty>,
    cursor: Position,
}

impl Screen {
    #[must_use]
    pub fn new(session: &Session) -> Self {
        Self {
            writer: session.writer.clone(),
            tty: Arc::clone(&session.tty),
            cursor: Position::ORIGIN,
        }
    }
}

impl Backend for Screen {
    type Error = io::Error;

    fn draw<'a, I>(&mut self, content: I) -> io::Result<()>
    where
        I: Iterator<Item = (u16, u16, &'a Cell)>,
    {
        self.writer.write_all(&text(content))
    }

    /// The cursor is hidden as long as the alternate screen is ours.
    fn hide_cursor(&mut self) -> io::Result<()> {
        Ok(())
    }

    fn show_cursor(&mut self) -> io::Result<()> {
        Ok(())
    }

    fn get_cursor_position(&mut self) -> io::Result<Position> {
        Ok(self.cursor)
    }

    fn set_cursor_position<P: Into<Position>>(&mut self, position: P) -> io::Result<()> {
        self.cursor = position.into();
        Ok(())
    }

    fn clear(&mut self) -> io::Result<()> {
        self.writer.write_all(ERASE.as_bytes())
    }

    /// The interface is drawn on the whole screen, so no region but that is ever erased.
    fn clear_region(&mut self, _: ClearType) -> io::Result<()> {
        self.clear()
    }

    fn size(&self) -> io::Result<Size> {
        let cells = self.tty.window().cells;
        Ok(Size::new(cells.columns, cells.rows))
    }

    fn window_size(&mut self) -> io::Result<WindowSize> {
        let window = self.tty.window();
        let pixel = |length: u32| u16::try_from(length).unwrap_or(0);
        Ok(WindowSize {
            columns_rows: Size::new(window.cells.columns, window.cells.rows),
            pixels: Size::new(pixel(window.pixels.width), pixel(window.pixels.height)),
        })
    }

    fn flush(&mut self) -> io::Result<()> {
        self.writer.flush()
    }
}
