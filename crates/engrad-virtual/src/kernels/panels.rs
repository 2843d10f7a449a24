//! Panels of weights, packed once for as long as the weight stays the same.
//!
//! A factor that is read from a port is packed in each evaluation, unless its surface was not written since the last
//! one: then it is packed once more, to be kept, and read as it is until the surface is next locked for writing. So
//! weights are packed once per update where they are used several times per update, and nothing is kept of what
//! changes all the time. Once the weight is written the panels' memory is kept for the next ones only if there were
//! some before each of the last two writes: a validation between updates leaves nothing behind.
//!
//! Only panels whose elements are no wider than those they are made from are kept. Wider ones (fp16 weights as f32) would
//! cost more to read from memory than packing costs.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};

use engrad_engine::{Surface, WeakSurface};
use engrad_kernels::{Factor, PackedMatrix, Precision, RawMatrix};

/// Names a factor: its surface, its place there, and what it is packed for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
struct Key {
    surface: u64,
    offset: usize,
    extents: [usize; 2],
    strides: [usize; 2],
    factor: Factor,
    precision: Precision,
}

#[derive(Debug)]
struct Entry {
    surface: WeakSurface,
    generation: u64,
    /// Of this or an earlier generation.
    panels: Option<Arc<PackedMatrix>>,
    /// Whether the panels are of the generation.
    fresh: bool,
    /// Whether there were panels of the generation before.
    before: bool,
}

#[derive(Debug, Default)]
struct State {
    entries: HashMap<Key, Entry>,
    bytes: u64,
}

/// Packed factors of an engine.
#[derive(Debug)]
pub(crate) struct PanelCache {
    most_bytes: u64,
    state: Mutex<State>,
}

impl PanelCache {
    /// Keeps at most that many bytes of panels.
    pub(crate) fn new(most_bytes: u64) -> Self {
        Self { most_bytes, state: Mutex::default() }
    }

    /// Bytes of panels held.
    pub(crate) fn bytes(&self) -> u64 {
        self.state.lock().unwrap_or_else(PoisonError::into_inner).bytes
    }

    /// Panels of a factor that stands on a surface at byte `offset`, if it was used before and not written since.
    ///
    /// # Safety
    /// A guard of the surface is held, for reading, and the matrix lies in it.
    pub(crate) unsafe fn get(
        &self,
        (surface, offset): (&Surface, usize),
        matrix: &RawMatrix,
        factor: Factor,
        precision: Precision,
        parallel: bool,
    ) -> Option<Arc<PackedMatrix>> {
        let packed =
            PackedMatrix::words_for((matrix.rows, matrix.columns), factor, precision) * size_of::<u32>();
        // Padding takes room, but is not read.
        if self.most_bytes == 0 || precision.bytes() > matrix.element.size() {
            return None;
        }
        let key = Key {
            surface: surface.id(),
            offset,
            extents: [matrix.rows, matrix.columns],
            strides: [matrix.row_stride, matrix.column_stride],
            factor,
            precision,
        };
        let generation = surface.generation()?;
        let mut panels = {
            let mut state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
            let Some(entry) = state.entries.get_mut(&key) else {
                state.forget_dead_surfaces();
                let surface = surface.downgrade();
                let entry = Entry { surface, generation, panels: None, fresh: false, before: false };
                state.entries.insert(key, entry);
                return None;
            };
            if entry.generation != generation {
                let stale = if entry.fresh && entry.before { None } else { entry.panels.take() };
                (entry.generation, entry.before, entry.fresh) = (generation, entry.fresh, false);
                state.bytes -= stale.map_or(0, |p| p.bytes() as u64);
                return None;
            }
            if entry.fresh {
                return entry.panels.clone();
            }
            let panels = entry.panels.take();
            state.bytes -= panels.as_ref().map_or(0, |p| p.bytes() as u64);
            if state.bytes + packed as u64 > self.most_bytes {
                return None;
            }
            panels
        };
        // Packed without the lock: another evaluation may do the same meanwhile, and one result is dropped.
        let panels = match panels.as_mut().and_then(Arc::get_mut) {
            Some(own) => {
                // SAFETY: passed on.
                unsafe { own.refill(matrix, parallel) };
                panels?
            }
            // SAFETY: passed on.
            None => Arc::new(unsafe { PackedMatrix::from_raw(matrix, factor, precision, parallel) }),
        };
        let mut state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
        let State { entries, bytes } = &mut *state;
        if let Some(entry) = entries.get_mut(&key).filter(|e| e.generation == generation && !e.fresh) {
            *bytes -= entry.panels.as_ref().map_or(0, |p| p.bytes() as u64);
            *bytes += panels.bytes() as u64;
            entry.panels = Some(Arc::clone(&panels));
            entry.fresh = true;
        }
        Some(panels)
    }
}

impl State {
    fn forget_dead_surfaces(&mut self) {
        let bytes = &mut self.bytes;
        self.entries.retain(|_, entry| {
            let alive = entry.surface.is_alive();
            if !alive {
                *bytes -= entry.panels.as_ref().map_or(0, |p| p.bytes() as u64);
            }
            alive
        });
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use engrad_kernels::ElementType;

    const SIDE: usize = 64;

    fn get(cache: &PanelCache, surface: &Surface) -> Option<Arc<PackedMatrix>> {
        let guard = surface.read();
        let matrix = RawMatrix {
            data: guard.bytes().as_ptr(),
            element: ElementType::F32,
            rows: SIDE,
            columns: SIDE,
            row_stride: SIDE,
            column_stride: 1,
        };
        // SAFETY: the guard is held, and the matrix is the whole surface.
        unsafe { cache.get((surface, 0), &matrix, Factor::Right, Precision::F32, false) }
    }

    #[test]
    fn panels_are_kept_from_the_second_use_until_the_next_write() {
        let cache = PanelCache::new(1 << 30);
        let surface = Surface::new(SIDE * SIDE * 4).unwrap();
        assert!(get(&cache, &surface).is_none(), "once is not enough");
        let kept = get(&cache, &surface).unwrap();
        assert!(Arc::ptr_eq(&kept, &get(&cache, &surface).unwrap()));
        assert_eq!(cache.bytes(), kept.bytes() as u64);
        drop(surface.write());
        assert!(get(&cache, &surface).is_none(), "written since");
        assert!(!Arc::ptr_eq(&kept, &get(&cache, &surface).unwrap()), "those in use stay as they are");
        assert_eq!(cache.bytes(), kept.bytes() as u64);
    }

    #[test]
    fn memory_stays_from_write_to_write_only_where_it_is_used_every_time() {
        let cache = PanelCache::new(1 << 30);
        let surface = Surface::new(SIDE * SIDE * 4).unwrap();
        let uses = |count: usize| {
            drop(surface.write());
            (0..count).map(|_| get(&cache, &surface)).last();
            cache.bytes() > 0
        };
        // The bytes after a single use are those of memory kept for a second one.
        assert_eq!([2, 1, 2, 2, 1, 1, 2].map(uses), [true, false, true, true, true, false, true]);
    }

    #[test]
    fn nothing_is_kept_of_dead_surfaces_or_beyond_the_budget() {
        let cache = PanelCache::new(30_000);
        let [one, two] = [0, 1].map(|_| Surface::new(SIDE * SIDE * 4).unwrap());
        assert!(get(&cache, &one).is_none() && get(&cache, &one).is_some());
        assert!(get(&cache, &two).is_none() && get(&cache, &two).is_none(), "no room");
        drop(one);
        let three = Surface::new(SIDE * SIDE * 4).unwrap();
        assert!(get(&cache, &three).is_none());
        assert_eq!(cache.bytes(), 0);
        assert!(get(&cache, &two).is_some());
    }
}
