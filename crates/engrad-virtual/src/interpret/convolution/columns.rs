//! Windows laid out as the columns of a matrix.

use super::Geometry;

/// One element of every window, for the windows `start..start + row.len()`: a row of the matrix. `plane` is the
/// channel of the input, `k` the element's place in the window.
pub(super) fn gather(row: &mut [f32], plane: &[f32], geometry: &Geometry, k: [usize; 3], start: usize) {
    let [_, height, width] = geometry.output;
    let ranges = [0, 1, 2].map(|d| geometry.inside(d, k[d]));
    let stride = geometry.windows[2].stride;
    let mut done = 0;
    while done < row.len() {
        let position = start + done;
        let [z, y, x] = [position / width / height, position / width % height, position % width];
        let len = (width - x).min(row.len() - done);
        let part = &mut row[done..done + len];
        done += len;
        let within = |d: usize, o: usize| (ranges[d].0..ranges[d].1).contains(&o);
        if !within(0, z) || !within(1, y) {
            part.fill(0.0);
            continue;
        }
        let line = geometry.position(0, z, k[0]) * geometry.input[1] + geometry.position(1, y, k[1]);
        let line = &plane[line * geometry.input[2]..][..geometry.input[2]];
        let (low, high) = (ranges[2].0.clamp(x, x + len), ranges[2].1.clamp(x, x + len));
        if low >= high {
            part.fill(0.0);
            continue;
        }
        part[..low - x].fill(0.0);
        part[high - x..].fill(0.0);
        let source = &line[geometry.position(2, low, k[2])..];
        let target = &mut part[low - x..high - x];
        match stride {
            1 => target.copy_from_slice(&source[..target.len()]),
            _ => target.iter_mut().zip(source.iter().step_by(stride)).for_each(|(t, s)| *t = *s),
        }
    }
}

/// The opposite: adds a row to the elements of the input it came from.
pub(super) fn scatter(row: &[f32], plane: &mut [f32], geometry: &Geometry, k: [usize; 3], start: usize) {
    let [_, height, width] = geometry.output;
    let ranges = [0, 1, 2].map(|d| geometry.inside(d, k[d]));
    let stride = geometry.windows[2].stride;
    let mut done = 0;
    while done < row.len() {
        let position = start + done;
        let [z, y, x] = [position / width / height, position / width % height, position % width];
        let len = (width - x).min(row.len() - done);
        let part = &row[done..done + len];
        done += len;
        let within = |d: usize, o: usize| (ranges[d].0..ranges[d].1).contains(&o);
        let (low, high) = (ranges[2].0.clamp(x, x + len), ranges[2].1.clamp(x, x + len));
        if !within(0, z) || !within(1, y) || low >= high {
            continue;
        }
        let line = geometry.position(0, z, k[0]) * geometry.input[1] + geometry.position(1, y, k[1]);
        let line = &mut plane[line * geometry.input[2]..][..geometry.input[2]];
        let targets = line[geometry.position(2, low, k[2])..].iter_mut().step_by(stride);
        targets.zip(&part[low - x..high - x]).for_each(|(t, s)| *t += s);
    }
}

/// Places in a window, in order.
pub(super) fn places(geometry: &Geometry) -> Vec<[usize; 3]> {
    let [depth, height, width] = geometry.windows.map(|w| w.kernel);
    let places = |z| (0..height).flat_map(move |y| (0..width).map(move |x| [z, y, x]));
    (0..depth).flat_map(places).collect()
}
