//! One combination.

use seawall_sim::Dialect;

use super::faults::{FAULTS, Fault};
use crate::client::Front;

/// Where the faulty target stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Position {
    /// Before both healthy ones.
    First,
    /// Between them.
    Middle,
    /// Behind them.
    Last,
}

/// One combination of the matrix.
#[derive(Clone, Copy, Debug)]
pub struct Cell {
    pub(super) fault: &'static Fault,
    pub(super) stream: bool,
    pub(super) front: Front,
    pub(super) dialect: Dialect,
    pub(super) position: Position,
}

pub(super) const DIALECTS: [Dialect; 4] =
    [Dialect::OpenAi, Dialect::Anthropic, Dialect::Gemini, Dialect::Groq];
const POSITIONS: [Position; 3] = [Position::First, Position::Middle, Position::Last];
const STREAMED: [bool; 2] = [true, false];

/// How many values each factor has, in the order that [`Cell::of`] takes.
pub(super) const FACTORS: [usize; 5] =
    [FAULTS.len(), STREAMED.len(), Front::BOTH.len(), DIALECTS.len(), POSITIONS.len()];

impl Cell {
    /// The cell with these values.
    pub(super) fn of([fault, stream, front, dialect, position]: [usize; 5]) -> Self {
        Self {
            fault: &FAULTS[fault],
            stream: STREAMED[stream],
            front: Front::BOTH[front],
            dialect: DIALECTS[dialect],
            position: POSITIONS[position],
        }
    }

    /// For reports.
    pub fn name(&self) -> String {
        format!(
            "{}, {}, {} client, {:?} upstream, {:?}",
            self.fault.name,
            if self.stream { "stream" } else { "plain" },
            self.front.label(),
            self.dialect,
            self.position
        )
    }

    /// The wire formats of the three targets, the faulty one at its place. The healthy ones speak two others, so that
    /// moving on is a translation, too.
    pub(super) fn dialects(&self) -> [Dialect; 3] {
        let at = DIALECTS.iter().position(|dialect| *dialect == self.dialect).unwrap_or_default();
        let other = |step: usize| DIALECTS[(at + step) % DIALECTS.len()];
        let mut three = [other(1), other(2), other(2)];
        match self.position {
            Position::First => three = [self.dialect, other(1), other(2)],
            Position::Middle => three[1] = self.dialect,
            Position::Last => three[2] = self.dialect,
        }
        three
    }

    /// Index of the faulty one.
    pub(super) fn faulty(&self) -> usize {
        match self.position {
            Position::First => 0,
            Position::Middle => 1,
            Position::Last => 2,
        }
    }
}

/// The whole matrix.
pub fn every_cell() -> Vec<Cell> {
    let mut cells = vec![Vec::new()];
    for factor in FACTORS {
        let longer = |cell: Vec<usize>| {
            (0..factor).map(move |value| cell.iter().copied().chain([value]).collect::<Vec<_>>())
        };
        cells = cells.into_iter().flat_map(longer).collect();
    }
    cells.into_iter().filter_map(|values| values.try_into().ok()).map(Cell::of).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_matrix_is_the_product() {
        assert_eq!(every_cell().len(), FACTORS.iter().product::<usize>());
    }
}
