//! Hub: where weights are kept on this machine, and where they come from otherwise.
//!
//! The folders are those of Python's `torch.hub` and `huggingface_hub`, found by the same variables,
//! so that what one of them has downloaded the other does not download again.

use std::path::{Path, PathBuf};
use std::time::Duration;

/// What the environment and the command line say of it. Plain data.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Hub {
    /// torch hub's folder of weights, `$TORCH_HOME/hub/checkpoints`. `None`: nothing tells where.
    pub torch: Option<PathBuf>,
    /// Hugging Face's cache, `$HF_HOME/hub`. `None`: nothing tells where.
    pub hugging_face: Option<PathBuf>,
    /// The variables that say where the two are.
    pub told_by: ToldBy,
    /// `GRADCAM_HUB`: takes the place of scheme and host in every address.
    pub mirror: Option<String>,
    /// Nothing is downloaded.
    pub offline: bool,
    pub patience: Patience,
}

/// The variable that says where a folder is; `None` where nothing does.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct ToldBy {
    pub torch: Option<&'static str>,
    pub hugging_face: Option<&'static str>,
}

/// How long a server is waited for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Patience {
    /// Until it accepts the connection.
    pub connect: Duration,
    /// Without a single byte.
    pub silence: Duration,
}

impl Default for Patience {
    fn default() -> Self {
        Self {
            connect: Duration::from_secs(10),
            silence: Duration::from_secs(30),
        }
    }
}

impl Hub {
    /// Reads the variables through `lookup`, in the order of `torch.hub.get_dir` and
    /// `huggingface_hub.constants`.
    pub fn from_lookup(lookup: impl Fn(&str) -> Option<String>) -> Self {
        let text = |name: &str| lookup(name).filter(|value| !value.is_empty());
        let home = text("HOME").map(PathBuf::from);
        // The folder below the first variable that is set, and the name of that variable.
        let first = |places: &[(&'static str, &str)]| {
            places.iter().find_map(|(name, below)| {
                let folder = expand(&text(name)?, home.as_deref())?;
                let folder = if below.is_empty() {
                    folder
                } else {
                    folder.join(below)
                };
                Some((folder, *name))
            })
        };
        let torch = first(&[
            ("TORCH_HOME", "hub/checkpoints"),
            ("XDG_CACHE_HOME", "torch/hub/checkpoints"),
            ("HOME", ".cache/torch/hub/checkpoints"),
        ]);
        let hugging_face = first(&[
            ("HF_HUB_CACHE", ""),
            ("HUGGINGFACE_HUB_CACHE", ""),
            ("HF_HOME", "hub"),
            ("XDG_CACHE_HOME", "huggingface/hub"),
            ("HOME", ".cache/huggingface/hub"),
        ]);
        let forbidden = text("HF_HUB_OFFLINE").or_else(|| text("TRANSFORMERS_OFFLINE"));
        Self {
            told_by: ToldBy {
                torch: torch.as_ref().map(|(_, variable)| *variable),
                hugging_face: hugging_face.as_ref().map(|(_, variable)| *variable),
            },
            torch: torch.map(|(folder, _)| folder),
            hugging_face: hugging_face.map(|(folder, _)| folder),
            mirror: text("GRADCAM_HUB"),
            offline: forbidden.is_some_and(|value| {
                ["1", "ON", "YES", "TRUE"].contains(&value.to_uppercase().as_str())
            }),
            patience: Patience::default(),
        }
    }

    /// The address with the mirror in the place of scheme and host.
    pub(super) fn address(&self, url: &str) -> String {
        let Some(mirror) = &self.mirror else {
            return url.to_owned();
        };
        let path = url
            .split_once("://")
            .and_then(|(_, rest)| rest.split_once('/'));
        let path = path.map_or("", |(_, path)| path);
        format!("{}/{path}", mirror.trim_end_matches('/'))
    }
}

/// `~` at the beginning is the home folder, as Python's `expanduser` has it.
fn expand(path: &str, home: Option<&Path>) -> Option<PathBuf> {
    match path.strip_prefix('~') {
        Some("") => home.map(Path::to_owned),
        Some(rest) if rest.starts_with('/') => {
            home.map(|home| home.join(rest.trim_start_matches('/')))
        }
        _ => Some(PathBuf::from(path)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn hub(variables: &[(&str, &str)]) -> Hub {
        Hub::from_lookup(|name| {
            let found = variables.iter().find(|(variable, _)| *variable == name);
            found.map(|(_, value)| (*value).to_owned())
        })
    }

    /// The two folders, as text.
    fn folders(variables: &[(&str, &str)]) -> [String; 2] {
        let hub = hub(variables);
        [hub.torch, hub.hugging_face].map(|folder| folder.unwrap().display().to_string())
    }

    #[test]
    fn the_folders_are_those_that_python_uses() {
        let home = ("HOME", "/h");
        for (more, torch, hugging_face) in [
            (None, "/h/.cache/torch", "/h/.cache/huggingface/hub"),
            (
                Some(("XDG_CACHE_HOME", "/x")),
                "/x/torch",
                "/x/huggingface/hub",
            ),
            (
                Some(("TORCH_HOME", "~/t")),
                "/h/t",
                "/h/.cache/huggingface/hub",
            ),
            (
                Some(("TORCH_HOME", "")),
                "/h/.cache/torch",
                "/h/.cache/huggingface/hub",
            ),
            (Some(("HF_HOME", "/f")), "/h/.cache/torch", "/f/hub"),
            (Some(("HF_HUB_CACHE", "/c")), "/h/.cache/torch", "/c"),
        ] {
            let variables: Vec<_> = [home].into_iter().chain(more).collect();
            let torch = format!("{torch}/hub/checkpoints");
            assert_eq!(
                folders(&variables),
                [torch, hugging_face.to_owned()],
                "{more:?}"
            );
        }
        assert_eq!(hub(&[]), Hub::default());
    }

    #[test]
    fn the_variable_that_says_where_is_named() {
        let told_by = hub(&[("HOME", "/h"), ("HF_HOME", "/f")]).told_by;
        let both = (told_by.torch, told_by.hugging_face);
        assert_eq!(both, (Some("HOME"), Some("HF_HOME")));
    }

    #[test]
    fn the_variables_of_hugging_face_forbid_the_network() {
        assert!(hub(&[("HF_HUB_OFFLINE", "1")]).offline);
        assert!(hub(&[("TRANSFORMERS_OFFLINE", "true")]).offline);
        assert!(!hub(&[("HF_HUB_OFFLINE", "0")]).offline);
    }

    #[test]
    fn a_mirror_takes_the_place_of_scheme_and_host() {
        let url = "https://host.invalid/models/a.pth";
        assert_eq!(Hub::default().address(url), url);
        for mirror in ["http://127.0.0.1:8000", "http://127.0.0.1:8000/"] {
            let address = hub(&[("GRADCAM_HUB", mirror)]).address(url);
            assert_eq!(address, "http://127.0.0.1:8000/models/a.pth");
        }
    }
}
