//! Map: where the positions and the channels are in what a layer outputs.

use tch::{Kind, Tensor};

use crate::model::graph::{Layer, MapLayout};

/// Where a layer's output has its positions.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Map {
    layout: MapLayout,
    pub channels: i64,
    pub height: i64,
    pub width: i64,
}

impl Map {
    /// The map in an output of this shape, if it has one: two positions at least.
    pub fn of(layer: &Layer, shape: &[i64]) -> Option<Self> {
        let layout = layer.layout.or_else(|| Self::likely(shape))?;
        let (channels, height, width) = match (layout, shape) {
            (MapLayout::ChannelsFirst, &[1, channels, height, width])
            | (MapLayout::ChannelsLast, &[1, height, width, channels]) => (channels, height, width),
            (MapLayout::Tokens { prefix, grid }, &[1, tokens, channels]) => {
                let positions = tokens - i64::try_from(prefix).ok()?;
                let (height, width) = match grid {
                    Some((height, width)) => (height as i64, width as i64),
                    None => (root(positions), root(positions)),
                };
                (height * width == positions).then_some((channels, height, width))?
            }
            _ => return None,
        };
        (height * width > 1).then_some(Self {
            layout,
            channels,
            height,
            width,
        })
    }

    /// What an output of this shape most likely is. Of four axes the channels come last where the
    /// two in the middle are equal and fewer; of three, the tokens beyond a square come first.
    fn likely(shape: &[i64]) -> Option<MapLayout> {
        match *shape {
            [_, a, b, c] if a == b && c > a => Some(MapLayout::ChannelsLast),
            [_, _, _, _] => Some(MapLayout::ChannelsFirst),
            [_, tokens, _] if tokens > 3 => {
                let prefix = usize::try_from(tokens - root(tokens).pow(2)).ok()?;
                Some(MapLayout::Tokens { prefix, grid: None })
            }
            _ => None,
        }
    }

    pub(super) fn layout(&self) -> MapLayout {
        self.layout
    }

    /// The same positions of a tensor with other channels, where those come last.
    pub(super) fn with_channels_of(self, tensor: &Tensor) -> Self {
        Self {
            channels: tensor.size().last().copied().unwrap_or(self.channels),
            ..self
        }
    }

    /// Which axis of the layer's output has the channels.
    #[must_use]
    pub fn channel_axis(&self) -> i64 {
        match self.layout {
            MapLayout::ChannelsFirst => 1,
            MapLayout::ChannelsLast => 3,
            MapLayout::Tokens { .. } => 2,
        }
    }

    /// `[channels, height, width]` in float32 of a tensor that lies as the layer's output.
    pub(super) fn view(&self, tensor: &Tensor) -> Result<Tensor, tch::TchError> {
        self.view_all(tensor)?.f_squeeze_dim(0)
    }

    /// The same of several images, `[n, channels, height, width]`.
    pub(super) fn view_all(&self, tensor: &Tensor) -> Result<Tensor, tch::TchError> {
        let tensor = tensor.f_to_kind(Kind::Float)?;
        match self.layout {
            MapLayout::ChannelsFirst => Ok(tensor),
            MapLayout::ChannelsLast => tensor.f_permute([0, 3, 1, 2]),
            MapLayout::Tokens { prefix, .. } => tensor
                .f_narrow(1, prefix as i64, self.height * self.width)?
                .f_permute([0, 2, 1])?
                .f_reshape([-1, self.channels, self.height, self.width]),
        }
    }
}

/// The whole part of a square root.
fn root(number: i64) -> i64 {
    number.max(0).isqrt()
}
