//! RFC 7396 by splicing: members that a patch does not name keep their bytes, at every depth.

use super::BodyError;
use super::index::{Index, Member};

/// Deeper patches are refused: the recursion must not be the plugin's to choose.
const MAX_DEPTH: u32 = 64;

/// The target with the patch merged in.
pub(crate) fn merge(target: &[u8], index: &Index, patch: &str) -> Result<Vec<u8>, BodyError> {
    let patch_index = Index::of(patch).map_err(|error| BodyError::BadPatch(error.to_string()))?;
    let mut out = Vec::with_capacity(target.len() + patch.len() + 8);
    splice(&mut out, target, index, &edits_of(patch.as_bytes(), &patch_index), MAX_DEPTH)?;
    Ok(out)
}

/// The object with one member set to a value that is not itself an object.
pub(crate) fn set(object: &str, name: &str, value: &str) -> Result<Vec<u8>, BodyError> {
    let index = Index::of(object)?;
    let mut out = Vec::with_capacity(object.len() + name.len() + value.len() + 8);
    let edit = Edit { key: name.as_bytes(), value: value.as_bytes() };
    splice(&mut out, object.as_bytes(), &index, &[edit], MAX_DEPTH)?;
    Ok(out)
}

/// One member of a patch.
struct Edit<'a> {
    key: &'a [u8],
    value: &'a [u8],
}

impl Edit<'_> {
    fn deletes(&self) -> bool {
        self.value == b"null"
    }
}

/// Sorted by key; of duplicates only the last.
fn edits_of<'a>(patch: &'a [u8], index: &'a Index) -> Vec<Edit<'a>> {
    let edit = |member: &'a Member| Edit {
        key: member.key(patch),
        value: patch.get(member.value.clone()).unwrap_or_default(),
    };
    let mut edits: Vec<Edit<'a>> = index.members().iter().rev().map(edit).collect();
    edits.sort_by_key(|edit| edit.key);
    edits.dedup_by_key(|edit| edit.key);
    edits
}

fn splice(
    out: &mut Vec<u8>,
    target: &[u8],
    index: &Index,
    edits: &[Edit<'_>],
    depth: u32,
) -> Result<(), BodyError> {
    let members = index.members();
    let mut last_match: Vec<Option<usize>> = vec![None; edits.len()];
    let mut matches = Vec::with_capacity(edits.len());
    for (at, member) in members.iter().enumerate() {
        let Ok(edit) = edits.binary_search_by_key(&member.key(target), |edit| edit.key) else { continue };
        matches.push((at, edit));
        if let Some(last) = last_match.get_mut(edit) {
            *last = Some(at);
        }
    }

    // target[..next] is dealt with.
    let mut next = 0;
    let mut removed = 0;
    for (at, edit) in matches {
        let is_last = last_match.get(edit) == Some(&Some(at));
        let (Some(member), Some(edit)) = (members.get(at), edits.get(edit)) else { continue };
        if is_last && !edit.deletes() {
            copy(out, target, next, member.value.start);
            write_value(out, target.get(member.value.clone()), edit.value, depth)?;
            next = member.value.end;
        } else if at > removed {
            // Something before it stays, so the comma before it goes.
            let previous = at.checked_sub(1).and_then(|previous| members.get(previous));
            copy(out, target, next, previous.map_or(next, |previous| previous.value.end));
            next = member.value.end;
            removed += 1;
        } else {
            copy(out, target, next, member.start);
            next = members.get(at + 1).map_or(member.value.end, |following| following.start);
            removed += 1;
        }
    }

    copy(out, target, next, index.tail());
    let mut is_empty = removed == members.len();
    for (edit, matched) in edits.iter().zip(&last_match) {
        if matched.is_some() || edit.deletes() {
            continue;
        }
        if !is_empty {
            out.push(b',');
        }
        is_empty = false;
        write_key(out, edit.key);
        write_value(out, None, edit.value, depth)?;
    }
    copy(out, target, next.max(index.tail()), target.len());
    Ok(())
}

/// A member's new value: objects merge (into nothing, if there was no object), everything else replaces.
fn write_value(out: &mut Vec<u8>, old: Option<&[u8]>, new: &[u8], depth: u32) -> Result<(), BodyError> {
    if new.first() != Some(&b'{') {
        out.extend_from_slice(new);
        return Ok(());
    }
    let depth = depth.checked_sub(1).ok_or_else(|| BodyError::BadPatch("nested too deeply".to_owned()))?;
    let old = old.filter(|old| old.first() == Some(&b'{')).unwrap_or(b"{}");
    let (new_index, old_index) = (index_of(new)?, index_of(old)?);
    splice(out, old, &old_index, &edits_of(new, &new_index), depth)
}

fn index_of(part: &[u8]) -> Result<Index, BodyError> {
    Index::of(std::str::from_utf8(part).map_err(|error| BodyError::BadPatch(error.to_string()))?)
}

fn write_key(out: &mut Vec<u8>, key: &[u8]) {
    let start = out.len();
    let key = String::from_utf8_lossy(key);
    if serde_json::to_writer(&mut *out, &key).is_err() {
        out.truncate(start);
    }
    out.push(b':');
}

fn copy(out: &mut Vec<u8>, from: &[u8], start: usize, end: usize) {
    out.extend_from_slice(from.get(start..end).unwrap_or_default());
}
