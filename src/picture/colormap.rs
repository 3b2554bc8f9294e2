//! Colormap: from a number in 0..=1 to a color.

use std::str::FromStr;
use std::sync::LazyLock;

/// A color table of 256 entries.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, serde::Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Colormap {
    /// OpenCV's `COLORMAP_JET`, which pytorch-grad-cam uses.
    Jet,
    /// Mikhailov 2019, "Turbo, an improved rainbow colormap".
    Turbo,
    /// Smith and van der Walt 2015, for matplotlib; released into the public domain (CC0).
    Viridis,
    /// As viridis.
    Inferno,
    Grey,
}

/// Red, green, blue for each of 256 levels.
pub type Table = [[u8; 3]; 256];

static JET: LazyLock<Table> = LazyLock::new(|| table(jet));
static TURBO: LazyLock<Table> =
    LazyLock::new(|| unpacked(include_bytes!("../../assets/colormaps/turbo.rgb")));
static VIRIDIS: LazyLock<Table> =
    LazyLock::new(|| unpacked(include_bytes!("../../assets/colormaps/viridis.rgb")));
static INFERNO: LazyLock<Table> =
    LazyLock::new(|| unpacked(include_bytes!("../../assets/colormaps/inferno.rgb")));
static GREY: LazyLock<Table> = LazyLock::new(|| table(|level| [level; 3]));
static DIVERGING: LazyLock<Table> = LazyLock::new(|| table(blue_white_red));

/// For numbers of both signs: blue below zero, white at zero, red above; matplotlib's `bwr`.
#[must_use]
pub fn diverging() -> &'static Table {
    &DIVERGING
}

impl Colormap {
    pub const ALL: [Self; 5] = [
        Self::Jet,
        Self::Turbo,
        Self::Viridis,
        Self::Inferno,
        Self::Grey,
    ];

    #[must_use]
    pub fn table(self) -> &'static Table {
        match self {
            Self::Jet => &JET,
            Self::Turbo => &TURBO,
            Self::Viridis => &VIRIDIS,
            Self::Inferno => &INFERNO,
            Self::Grey => &GREY,
        }
    }

    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Jet => "jet",
            Self::Turbo => "turbo",
            Self::Viridis => "viridis",
            Self::Inferno => "inferno",
            Self::Grey => "grey",
        }
    }

    /// The one after this, the first after the last.
    #[must_use]
    pub fn next(self) -> Self {
        let at = Self::ALL
            .iter()
            .position(|other| *other == self)
            .unwrap_or(0);
        Self::ALL[(at + 1) % Self::ALL.len()]
    }
}

impl FromStr for Colormap {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let names = || Self::ALL.map(Self::name).join(", ");
        Self::ALL
            .into_iter()
            .find(|map| map.name() == text)
            .ok_or_else(|| format!("expected one of {}", names()))
    }
}

fn table(color: impl Fn(u8) -> [u8; 3]) -> Table {
    let mut table = [[0; 3]; 256];
    for (level, entry) in (0..=u8::MAX).zip(&mut table) {
        *entry = color(level);
    }
    table
}

fn unpacked(bytes: &[u8; 768]) -> Table {
    let mut table = [[0; 3]; 256];
    for (entry, color) in table.iter_mut().zip(bytes.chunks_exact(3)) {
        entry.copy_from_slice(color);
    }
    table
}

/// Straight lines from blue to white and from white to red.
fn blue_white_red(level: u8) -> [u8; 3] {
    let rising = level.saturating_mul(2);
    let falling = (u8::MAX - level).saturating_mul(2);
    [rising, rising.min(falling), falling]
}

/// OpenCV's table, entry by entry, as straight lines.
fn jet(level: u8) -> [u8; 3] {
    let i = i32::from(level);
    let red = match i {
        0..96 => 0,
        96..160 => 4 * (i - 96) + 2,
        160..224 => 255,
        _ => 252 - 4 * (i - 224),
    };
    let green = match i {
        0..=32 => 0,
        33..96 => 4 * (i - 32),
        96..160 => 255,
        _ => (252 - 4 * (i - 160)).max(0),
    };
    let blue = match i {
        0..32 => 128 + 4 * i,
        32..96 => 255,
        96..159 => 254 - 4 * (i - 96),
        159 => 1,
        _ => 0,
    };
    [red, green, blue].map(|value| u8::try_from(value.clamp(0, 255)).unwrap_or(u8::MAX))
}

#[cfg(test)]
mod tests {
    use super::*;

    // cv2.applyColorMap(np.arange(256, dtype=np.uint8), cv2.COLORMAP_JET)[:, 0, ::-1], OpenCV 5.0.0
    #[test]
    fn jet_equals_opencv() {
        for (level, color) in [
            (0, [0, 0, 128]),
            (31, [0, 0, 252]),
            (32, [0, 0, 255]),
            (96, [2, 255, 254]),
            (128, [130, 255, 126]),
            (159, [254, 255, 1]),
            (160, [255, 252, 0]),
            (224, [252, 0, 0]),
            (255, [128, 0, 0]),
        ] {
            assert_eq!(Colormap::Jet.table()[level], color, "level {level}");
        }
    }

    // (matplotlib.colormaps[name](np.arange(256))[:, :3] * 255 + 0.5).astype(np.uint8)
    #[test]
    fn the_other_tables_equal_matplotlib() {
        assert_eq!(Colormap::Viridis.table()[0], [68, 1, 84]);
        assert_eq!(Colormap::Viridis.table()[255], [253, 231, 37]);
        assert_eq!(Colormap::Inferno.table()[255], [252, 255, 164]);
        assert_eq!(Colormap::Turbo.table()[0], [48, 18, 59]);
        assert_eq!(Colormap::Grey.table()[77], [77, 77, 77]);
    }

    // As above with matplotlib.colormaps["bwr"], matplotlib 3.11.2
    #[test]
    fn the_diverging_table_equals_matplotlib() {
        for (level, color) in [
            (0, [0, 0, 255]),
            (1, [2, 2, 255]),
            (64, [128, 128, 255]),
            (127, [254, 254, 255]),
            (128, [255, 254, 254]),
            (200, [255, 110, 110]),
            (255, [255, 0, 0]),
        ] {
            assert_eq!(diverging()[level], color, "level {level}");
        }
    }

    #[test]
    fn names_lead_back_and_next_visits_all() {
        let mut map = Colormap::Jet;
        for _ in Colormap::ALL {
            assert_eq!(map.name().parse(), Ok(map));
            map = map.next();
        }
        assert_eq!(map, Colormap::Jet);
        assert!("rainbow".parse::<Colormap>().is_err());
    }
}
