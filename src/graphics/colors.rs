//! Colors of text: few, each beside a sign or a word that says the same.
//!
//! By default they are names of the terminal's own palette, which its owner has made legible on a light
//! or a dark background.

use image::Rgb;
use ratatui::style::Color;

use super::blocks::nearest_of_256;

/// What has a color. `Color::Reset` is the color of other text.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Colors {
    pub accent: Color,
    pub right: Color,
    pub wrong: Color,
    pub warning: Color,
}

/// Their names in a configuration, what they are for, and what they are without it.
pub const COLORS: [(&str, &str, &str); 4] = [
    ("accent", "the bars of probabilities", "cyan"),
    (
        "right",
        "what is right: ✓, the diagonal of the matrix",
        "green",
    ),
    (
        "wrong",
        "what is wrong: ✗, mistakes in the matrix, a filter that is not understood",
        "red",
    ),
    ("warning", "an accuracy that cannot be true", "yellow"),
];

impl Default for Colors {
    fn default() -> Self {
        Self {
            accent: Color::Cyan,
            right: Color::Green,
            wrong: Color::Red,
            warning: Color::Yellow,
        }
    }
}

impl Colors {
    /// Text in one color, as `NO_COLOR` wants it.
    pub const NONE: Self = Self {
        accent: Color::Reset,
        right: Color::Reset,
        wrong: Color::Reset,
        warning: Color::Reset,
    };

    /// Sets the color of this name.
    ///
    /// # Errors
    /// What a color is, in words.
    pub fn set(&mut self, name: &str, color: &str) -> Result<(), String> {
        let color = color_of(color)?;
        match name {
            "accent" => self.accent = color,
            "right" => self.right = color,
            "wrong" => self.wrong = color,
            _ => self.warning = color,
        }
        Ok(())
    }

    /// The nearest that a terminal of 256 colors has.
    #[must_use]
    pub fn of_256(self) -> Self {
        let nearest = |color| match color {
            Color::Rgb(red, green, blue) => Color::Indexed(nearest_of_256(Rgb([red, green, blue]))),
            other => other,
        };
        Self {
            accent: nearest(self.accent),
            right: nearest(self.right),
            wrong: nearest(self.wrong),
            warning: nearest(self.warning),
        }
    }
}

fn color_of(text: &str) -> Result<Color, String> {
    if text == "none" {
        return Ok(Color::Reset);
    }
    text.parse().map_err(|_| {
        format!("{text:?} is no color; expected a name such as red or light-blue, 0 to 255, #rrggbb, or none")
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_colors_of_the_list_are_those_that_are_in_force_without_a_configuration() {
        let mut listed = Colors::NONE;
        for (name, _, color) in COLORS {
            listed.set(name, color).unwrap();
        }
        assert_eq!(listed, Colors::default());
    }

    #[test]
    fn a_color_is_a_name_a_number_or_its_parts() {
        let mut colors = Colors::default();
        colors.set("accent", "light-blue").unwrap();
        colors.set("right", "208").unwrap();
        colors.set("wrong", "#ff0000").unwrap();
        colors.set("warning", "none").unwrap();
        assert_eq!(colors.accent, Color::LightBlue);
        assert_eq!(colors.right, Color::Indexed(208));
        assert_eq!(colors.of_256().wrong, Color::Indexed(196));
        assert_eq!(colors.warning, Color::Reset);
        assert!(
            colors
                .set("accent", "#ff00")
                .unwrap_err()
                .contains("#rrggbb")
        );
    }
}
