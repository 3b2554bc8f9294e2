mod chance;
mod commands;
mod desk;
mod explanation;
mod pages;
mod results;
mod review;
mod wishes;

use std::path::{Path, PathBuf};
use std::sync::Arc;

use crossterm::event::{KeyCode, KeyEvent, KeyModifiers, MouseButton, MouseEvent, MouseEventKind};
use image::RgbImage;

use super::*;
use crate::app::event::{ExportReply, Keep, StoreReply, Then};
use crate::app::layout::{list_rows, page_areas, panes};
use crate::app::review::{Reviewing, Said, Written};
use crate::app::state::{Exporting, Mode};
use crate::dataset::review::{Review, usual};
use crate::dataset::score::{Answer, Score};
use crate::dataset::store::{Stamp, Version};
use crate::dataset::truth::known::TrueClasses;
use crate::dataset::{ImageEntry, ImageId};
use crate::explain::methods::MethodId;
use crate::explain::options::Options;
use crate::explain::target::Measure;
use crate::explain::{Explanation, Prediction};
use crate::geometry::{InputGeometry, PixelSize, Window};
use crate::graphics::{Capabilities, Protocol};
use crate::heatmap::{Grid, Heatmap};
use crate::job::{About, Job, Outcome, Progress, Reply, Request, Target, Times};
use crate::model::precision::Precision;
use crate::model::{ClassIndex, LayerSummary, ModelSummary};
use crate::picture::colormap::Colormap;
use crate::picture::{Style, View};
use crate::tests::random::Random;
use chance::hold;
pub(crate) use desk::{Desk, about, layers, summary};

const NAMES: [&str; 5] = ["a.png", "b.png", "c.png", "owl.png", "tawny owl.png"];
const SIZE: CellSize = CellSize::new(80, 24);

/// Presses the keys, answers everything, and says where that leads: selection, target, effects
/// without calling off what is under way.
fn check(script: &str, expected: &str) {
    let mut desk = Desk::ready(&NAMES, SIZE);
    desk.press(script);
    desk.answer_all();
    desk.log.retain(|effect| effect != "stop");
    let found = format!(
        "{} {:?} | {}",
        desk.selected(),
        desk.state.target,
        desk.log.join(", ")
    );
    assert_eq!(found, expected, "after {script}");
}
