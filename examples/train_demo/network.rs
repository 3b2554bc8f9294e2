//! The network: a small ResNet (He et al. 2015, arXiv 1512.03385) of basic blocks with
//! torchvision's parameter names, so that gradcam recognizes it like any other.

use tch::nn::{self, ModuleT};
use tch::{Device, Kind, Tensor};

/// Side of the network's input, in pixels.
pub(crate) const INPUT: u32 = 112;
/// Channels of the three stages.
const WIDTHS: [i64; 3] = [32, 64, 128];
const BLOCKS: usize = 2;

struct Block {
    conv1: nn::Conv2D,
    bn1: nn::BatchNorm,
    conv2: nn::Conv2D,
    bn2: nn::BatchNorm,
    downsample: Option<(nn::Conv2D, nn::BatchNorm)>,
}

pub(crate) struct Network {
    conv1: nn::Conv2D,
    bn1: nn::BatchNorm,
    blocks: Vec<Block>,
    fc: nn::Linear,
}

fn conv(path: nn::Path<'_>, c_in: i64, c_out: i64, ksize: i64, stride: i64) -> nn::Conv2D {
    let config = nn::ConvConfig {
        stride,
        padding: ksize / 2,
        bias: false,
        ..nn::ConvConfig::default()
    };
    nn::conv2d(path, c_in, c_out, ksize, config)
}

fn batch_norm(path: nn::Path<'_>, channels: i64) -> nn::BatchNorm {
    let config = nn::BatchNormConfig {
        ws_init: nn::Init::Const(1.0),
        ..nn::BatchNormConfig::default()
    };
    nn::batch_norm2d(path, channels, config)
}

impl Network {
    pub(crate) fn new(path: &nn::Path<'_>, classes: i64) -> Self {
        let mut blocks = Vec::new();
        let mut c_in = WIDTHS[0];
        for (stage, &c_out) in WIDTHS.iter().enumerate() {
            for index in 0..BLOCKS {
                let path = path / format!("layer{}", stage + 1) / index;
                let stride = if stage > 0 && index == 0 { 2 } else { 1 };
                let downsample = (stride != 1 || c_in != c_out).then(|| {
                    let path = &path / "downsample";
                    (
                        conv(&path / 0, c_in, c_out, 1, stride),
                        batch_norm(&path / 1, c_out),
                    )
                });
                blocks.push(Block {
                    conv1: conv(&path / "conv1", c_in, c_out, 3, stride),
                    bn1: batch_norm(&path / "bn1", c_out),
                    conv2: conv(&path / "conv2", c_out, c_out, 3, 1),
                    bn2: batch_norm(&path / "bn2", c_out),
                    downsample,
                });
                c_in = c_out;
            }
        }
        Self {
            conv1: conv(path / "conv1", 3, WIDTHS[0], 7, 2),
            bn1: batch_norm(path / "bn1", WIDTHS[0]),
            blocks,
            fc: nn::linear(path / "fc", c_in, classes, nn::LinearConfig::default()),
        }
    }

    /// Logits `[batch, classes]` of images `[batch, 3, INPUT, INPUT]`.
    pub(crate) fn forward(&self, images: &Tensor, train: bool) -> Tensor {
        let stem = images.apply(&self.conv1).apply_t(&self.bn1, train).relu();
        let stem = stem.max_pool2d([3, 3], [2, 2], [1, 1], [1, 1], /* ceil_mode= */ false);
        let features = self
            .blocks
            .iter()
            .fold(stem, |x, block| block.forward(&x, train));
        features
            .mean_dim(
                [2_i64, 3].as_slice(),
                /* keepdim= */ false,
                Kind::Float,
            )
            .apply(&self.fc)
    }
}

impl Block {
    fn forward(&self, x: &Tensor, train: bool) -> Tensor {
        let branch = x.apply(&self.conv1).apply_t(&self.bn1, train).relu();
        let branch = branch.apply(&self.conv2).apply_t(&self.bn2, train);
        let shortcut = match &self.downsample {
            Some((conv, norm)) => norm.forward_t(&x.apply(conv), train),
            None => x.shallow_clone(),
        };
        (branch + shortcut).relu()
    }
}

/// The weights as they are stored: half precision for what is large.
pub(crate) fn stored(variables: &nn::VarStore) -> Vec<(String, Tensor)> {
    let mut tensors: Vec<_> = variables
        .variables()
        .into_iter()
        .map(|(name, tensor)| {
            let kind = if tensor.dim() > 1 {
                Kind::Half
            } else {
                Kind::Float
            };
            (name, tensor.detach().to_device(Device::Cpu).to_kind(kind))
        })
        .collect();
    tensors.sort_by(|a, b| a.0.cmp(&b.0));
    tensors
}
