//! Selection of boxes that do not overlap a better one.

use engrad_mil::DType;

use crate::interpret::call::Call;
use crate::interpret::tensor::{Tensor, elements};

/// Centre and size of a box: x, y, width, height.
type Rectangle = [f32; 4];

/// Area that two boxes share, over the area that they cover together.
fn intersection_over_union(a: Rectangle, b: Rectangle) -> f32 {
    let shared = |i: usize| {
        let low = (a[i] - a[i + 2] / 2.0).max(b[i] - b[i + 2] / 2.0);
        let high = (a[i] + a[i + 2] / 2.0).min(b[i] + b[i + 2] / 2.0);
        (high - low).max(0.0)
    };
    let both = shared(0) * shared(1);
    let union = a[2] * a[3] + b[2] * b[3] - both;
    if union > 0.0 { both / union } else { 0.0 }
}

/// A box with its best class and that class's score.
struct Candidate {
    position: usize,
    class: usize,
    score: f32,
}

/// Limits of a selection.
struct Limits {
    overlap: f32,
    score: Option<f32>,
    most: usize,
    per_class: bool,
}

/// Positions of the boxes that are kept, best first. If no score reaches the limit, the best box is kept all the same.
fn select(boxes: &[Rectangle], mut candidates: Vec<Candidate>, limits: &Limits) -> Vec<usize> {
    candidates.sort_by(|a, b| b.score.total_cmp(&a.score));
    let passing = candidates.iter().filter(|c| limits.score.is_none_or(|least| c.score >= least)).count();
    candidates.truncate(passing.max(1));
    let mut kept: Vec<Candidate> = Vec::new();
    for candidate in candidates {
        if kept.len() == limits.most {
            break;
        }
        let overlaps = |better: &Candidate| {
            (!limits.per_class || better.class == candidate.class)
                && intersection_over_union(boxes[better.position], boxes[candidate.position]) > limits.overlap
        };
        if !kept.iter().any(overlaps) {
            kept.push(candidate);
        }
    }
    kept.into_iter().map(|c| c.position).collect()
}

pub(super) fn non_maximum_suppression(call: &Call<'_>) -> Result<Vec<Tensor>, String> {
    let (boxes, scores) = (call.tensor("boxes")?, call.tensor("scores")?);
    // Until ios16 coordinates and classes stand last, and the number of boxes is a result.
    let older = call.has("score_threshold");
    let misfit = || format!("boxes {:?} and scores {:?} do not fit", boxes.shape, scores.shape);
    let (&[batch, a, b], &[images, c, d]) = (&boxes.shape[..], &scores.shape[..]) else {
        return Err(misfit());
    };
    let (count, four, scored, classes) = if older { (a, b, c, d) } else { (b, a, d, c) };
    if batch != images || four != 4 || count != scored || classes == 0 {
        return Err(misfit());
    }
    let limits = Limits {
        overlap: call.float("iou_threshold")?,
        score: if older { Some(call.float("score_threshold")?) } else { None },
        most: super::target(call, "max_boxes")?,
        per_class: call.bool("per_class_suppression")?,
    };
    let most = limits.most;
    let shape = |inner: usize| if older { vec![batch, most, inner] } else { vec![batch, inner, most] };
    let mut kept_boxes = vec![0.0; elements(&shape(4))?];
    let mut kept_scores = vec![0.0; elements(&shape(classes))?];
    let mut indices = vec![-1; elements(&[batch, most])?];
    let mut counts = vec![0; batch];
    let (box_values, score_values) = (boxes.as_floats()?, scores.as_floats()?);
    // Element `i` of box `n` of an image, among `len` boxes with `inner` numbers each.
    let at = |image: usize, n: usize, i: usize, len: usize, inner: usize| {
        if older { (image * len + n) * inner + i } else { (image * inner + i) * len + n }
    };
    for image in 0..batch {
        let rectangle = |n: usize| [0, 1, 2, 3].map(|i| box_values[at(image, n, i, count, 4)]);
        let rectangles: Vec<Rectangle> = (0..count).map(rectangle).collect();
        let candidate = |position: usize| {
            let score = |class: usize| score_values[at(image, position, class, count, classes)];
            let better = |best: usize, class: usize| if score(class) > score(best) { class } else { best };
            let class = (0..classes).fold(0, better);
            Candidate { position, class, score: score(class) }
        };
        let kept = select(&rectangles, (0..count).map(candidate).collect(), &limits);
        counts[image] = kept.len() as i32;
        for (rank, &n) in kept.iter().enumerate() {
            indices[image * most + rank] = n as i32;
            for (i, &v) in rectangles[n].iter().enumerate() {
                kept_boxes[at(image, rank, i, most, 4)] = v;
            }
            for class in 0..classes {
                kept_scores[at(image, rank, class, most, classes)] =
                    score_values[at(image, n, class, count, classes)];
            }
        }
    }
    let mut results = vec![
        Tensor::floats(boxes.dtype, shape(4), kept_boxes)?,
        Tensor::floats(scores.dtype, shape(classes), kept_scores)?,
        Tensor::ints(DType::Int32, vec![batch, most], indices)?,
    ];
    if older {
        results.push(Tensor::ints(DType::Int32, vec![batch], counts)?);
    }
    Ok(results)
}
