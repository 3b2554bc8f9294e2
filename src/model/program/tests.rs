use std::path::PathBuf;

use tch::{Device, Kind, Tensor};

use super::*;

#[test]
fn scratch() {
    for entry in std::fs::read_dir("/tmp/pt2").unwrap() {
        let path: PathBuf = entry.unwrap().path();
        if path.extension().is_some_and(|e| e == "pt2") {
            let start = std::time::Instant::now();
            match open(&path) {
                Err(error) => println!("{}: {error}", path.display()),
                Ok(loaded) => {
                    let (h, w) = loaded.fixed_size.unwrap();
                    let x = Tensor::ones([1, 3, h as i64, w as i64], (Kind::Float, Device::Cpu));
                    let layers: Vec<_> =
                        loaded.graph.layers.iter().map(|l| l.name.clone()).collect();
                    println!(
                        "{} {} {} classes {:?} nodes {} layers {} {:?} {:?}",
                        path.display(),
                        loaded.family,
                        loaded.classes,
                        loaded.fixed_size,
                        loaded.graph.nodes.len(),
                        layers.len(),
                        &layers[layers.len().saturating_sub(6)..],
                        start.elapsed()
                    );
                    let layer = loaded
                        .graph
                        .layers
                        .iter()
                        .rev()
                        .find(|l| {
                            let s = super::super::run::shapes(&loaded.graph, &x).unwrap();
                            super::super::run::Map::of(l, &s[&l.output]).is_some()
                        })
                        .unwrap();
                    let plan = super::super::run::Plan::new(&loaded.graph, layer).unwrap();
                    let pass = plan.run(&loaded.graph, &x).unwrap();
                    println!("   {} {:?}", layer.name, &pass.logits()[..5]);
                }
            }
        }
    }
}
