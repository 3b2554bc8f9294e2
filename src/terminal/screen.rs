//! Screen: ratatui's cells as text for the writer.
//!
//! ratatui's own backend erases by `CSI 2 J`, which frees pictures that a terminal keeps, and asks
//! the terminal for the cursor, which would read standard input. This one does neither.

use std::io;
use std::sync::Arc;

use ratatui::backend::{Backend, ClearType, CrosstermBackend, WindowSize};
use ratatui::buffer::Cell;
use ratatui::layout::{Position, Size};

use super::restore::Tty;
use super::{Session, Writer};
use crate::graphics::sequences::ERASE;

/// The backend that the interface draws on.
#[derive(Debug)]
pub struct Screen {
    inner: CrosstermBackend<Writer>,
    tty: Arc<Tty>,
    cursor: Position,
}

impl Screen {
    #[must_use]
    pub fn new(session: &Session) -> Self {
        let inner = CrosstermBackend::new(session.writer.clone());
        Self {
            inner,
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
        self.inner.draw(content)
    }

    fn hide_cursor(&mut self) -> io::Result<()> {
        self.inner.hide_cursor()
    }

    fn show_cursor(&mut self) -> io::Result<()> {
        self.inner.show_cursor()
    }

    fn get_cursor_position(&mut self) -> io::Result<Position> {
        Ok(self.cursor)
    }

    fn set_cursor_position<P: Into<Position>>(&mut self, position: P) -> io::Result<()> {
        self.cursor = position.into();
        self.inner.set_cursor_position(self.cursor)
    }

    fn clear(&mut self) -> io::Result<()> {
        self.clear_region(ClearType::All)
    }

    fn clear_region(&mut self, clear_type: ClearType) -> io::Result<()> {
        match clear_type {
            ClearType::All => io::Write::write_all(&mut self.inner, ERASE.as_bytes()),
            other => self.inner.clear_region(other),
        }
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
        Backend::flush(&mut self.inner)
    }
}
