use super::*;
use crate::explain::options::Options;
use crate::model::{LoadOptions, ModelSource};

fn task(layer: &str) -> Task {
    Task {
        layer: Some(layer.to_owned()),
        options: Options::default(),
    }
}

/// Two layers; pointing of both, deletion of the first alone.
fn with_report(check: impl FnOnce(Report<'_>)) {
    let model = Model::load(&ModelSource::Demo, &LoadOptions::default()).unwrap();
    let settings = crate::cli::evaluate::tests::settings(&["photos"]);
    let [pointing, deletion] = ["pointing", "deletion"].map(|key| key.parse().unwrap());
    let (tasks, metrics) = ([task("layer2"), task("layer3")], [pointing, deletion]);
    let tally = |sum, cases| Tally { sum, cases };
    let mut measured = Measured {
        images: 2,
        ..Measured::default()
    };
    let points = |hits| vec![tally(hits, 2), tally(4.0, 5)];
    measured
        .tallies
        .insert((0, pointing), vec![points(1.0), points(1.0)]);
    measured
        .tallies
        .insert((1, pointing), vec![points(2.0), points(2.0)]);
    let areas = vec![tally(-0.0001, 1), tally(0.75, 1)];
    measured
        .tallies
        .insert((0, deletion), vec![areas.clone(), areas]);
    measured.left_out.insert(1, "it does not fit".to_owned());
    let notes = vec!["a note".to_owned()];
    check(Report::new(
        &settings, &model, None, &tasks, &metrics, measured, notes,
    ));
}

#[test]
fn each_metric_has_a_table_with_a_row_for_each_method_and_layer() {
    with_report(|report| {
        let mut out = Vec::new();
        report.print(&mut out).unwrap();
        let text = String::from_utf8(out).unwrap();
        let expected = "\
bundled demo model, 2 images, without truth; in brackets: 95 % confidence, by bootstrap over images

Pointing game: the map's maximum lies in a box of the class
                       pointing game % ↑    with recall % ↑
  Grad-CAM  layer2     50.0 [50.0, 50.0]  80.0 [80.0, 80.0]
  Grad-CAM  layer3  100.0 [100.0, 100.0]  80.0 [80.0, 80.0]

Deletion and insertion: area under the probability as the map's highest positions go, or come back
                          deletion AUC ↓       insertion AUC ↑
  Grad-CAM  layer2  0.000 [0.000, 0.000]  0.750 [0.750, 0.750]

left out: Grad-CAM at layer3: it does not fit
";
        assert_eq!(text, expected);
        assert!(!report.is_whole());
    });
}

#[test]
fn markdown_is_one_table_and_csv_has_all_figures() {
    with_report(|report| {
        let expected = "\
| method | layer | pointing game % ↑ | with recall % ↑ | deletion AUC ↓ | insertion AUC ↑ |
| --- | --- | ---: | ---: | ---: | ---: |
| Grad-CAM | layer2 | 50.0 | 80.0 | 0.000 | 0.750 |
| Grad-CAM | layer3 | 100.0 | 80.0 |  |  |
";
        assert_eq!(report.markdown(), expected);
        let mut csv = Vec::new();
        report.write_csv(&mut csv).unwrap();
        let csv = String::from_utf8(csv).unwrap();
        let mut lines = csv.lines();
        assert_eq!(
            lines.next(),
            Some("method,layer,metric,figure,value,low,high,images,cases")
        );
        assert_eq!(
            lines.next(),
            Some("grad-cam,layer2,pointing,pointing,0.5,0.5,0.5,2,4")
        );
        assert_eq!(lines.count(), 5);
    });
}
