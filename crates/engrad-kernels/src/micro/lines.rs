//! Lines of memory that later tiles read, asked for while a tile is computed.

/// Bytes of a line.
const LINE: usize = 64;
/// Steps of the inner loop for each line asked for: often enough to bring a block's memory while the one before it is
/// computed, and too seldom to fill the processor's queue of missing lines.
pub(crate) const PER_LINE: usize = 8;

/// Runs of neighbouring lines, walked one by one, some in each tile.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Lines {
    next: *const u8,
    left_in_run: usize,
    lines_in_run: usize,
    /// Bytes from the last line of a run to the first of the next.
    jump: usize,
    /// Lines not yet asked for, and those that each tile asks for.
    left: usize,
    in_tile: usize,
}

impl Lines {
    /// No line.
    pub(crate) const NONE: Self =
        Self { next: std::ptr::null(), left_in_run: 0, lines_in_run: 0, jump: 0, left: 0, in_tile: 0 };

    /// `runs` runs of `bytes` bytes, the first at `start`, `stride` bytes from one to the next, spread over `tiles` tiles.
    pub(crate) fn new(start: *const u8, bytes: usize, (runs, stride): (usize, usize), tiles: usize) -> Self {
        if bytes == 0 || runs == 0 {
            return Self::NONE;
        }
        // A run that does not begin with a line has part of one more.
        let lines = bytes.div_ceil(LINE) + 1;
        Self {
            next: start,
            left_in_run: lines,
            lines_in_run: lines,
            jump: stride.wrapping_sub((lines - 1) * LINE),
            left: lines * runs,
            in_tile: (lines * runs).div_ceil(tiles.max(1)),
        }
    }

    /// How many lines a tile of `k` steps asks for; they count as asked for.
    #[inline(always)]
    pub(crate) fn for_tile(&mut self, k: usize) -> usize {
        let count = self.in_tile.min(self.left).min(k / PER_LINE);
        self.left -= count;
        count
    }

    /// The next line; only as many as [`Lines::for_tile`] allowed.
    #[inline(always)]
    pub(crate) fn next(&mut self) -> *const u8 {
        let line = self.next;
        self.left_in_run -= 1;
        let step = if self.left_in_run > 0 {
            LINE
        } else {
            self.left_in_run = self.lines_in_run;
            self.jump
        };
        self.next = line.wrapping_add(step);
        line
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_line_of_every_run_is_asked_for_once_whatever_tiles_there_are() {
        let memory = [0u8; 4096];
        let start = memory.as_ptr();
        for tiles in [1, 3, 7, 40] {
            // Runs of 130 bytes touch up to four lines.
            let mut lines = Lines::new(start, 130, (5, 700), tiles);
            let mut asked = Vec::new();
            for _ in 0..tiles {
                for _ in 0..lines.for_tile(384) {
                    asked.push(lines.next() as usize - start as usize);
                }
            }
            let expected: Vec<usize> =
                (0..5).flat_map(|run| (0..4).map(move |line| run * 700 + line * LINE)).collect();
            assert_eq!(asked, expected, "{tiles} tiles");
        }
    }

    #[test]
    fn a_short_tile_asks_for_no_more_than_it_has_steps_for() {
        let mut lines = Lines::new(std::ptr::null(), 6400, (1, 0), 1);
        assert_eq!([lines.for_tile(7), lines.for_tile(17), lines.for_tile(8)], [0, 2, 1]);
        assert_eq!(Lines::new(std::ptr::null(), 0, (9, 1), 1).for_tile(384), 0);
    }
}
