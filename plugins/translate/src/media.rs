//! Images, documents and sound inside messages.

/// What a piece of media is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// A picture.
    Image,
    /// A PDF or a text file.
    Document,
    /// Sound.
    Audio,
    /// Moving pictures.
    Video,
}

/// Where its bytes are.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Source<'a> {
    /// In the request, as base64. Large payloads are the host's tokens, so `data` is moved and never decoded.
    Inline {
        /// `image/png`, ...
        mime: &'a str,
        /// Base64, or a token that stands for it.
        data: &'a str,
    },
    /// At an address that the provider fetches.
    Link(&'a str),
}

/// One piece of media.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Media<'a> {
    /// What it is.
    pub kind: Kind,
    /// Where it is.
    pub source: Source<'a>,
    /// A file's name.
    pub name: Option<&'a str>,
}

impl<'a> Source<'a> {
    /// A `data:` URL with base64, or an address; `None` for anything else.
    pub fn of(url: &'a str) -> Option<Self> {
        if let Some(rest) = url.strip_prefix("data:") {
            let (head, data) = rest.split_once(";base64,")?;
            let mime = head.split(';').next().unwrap_or(head);
            return (!mime.is_empty() && !data.is_empty()).then_some(Self::Inline { mime, data });
        }
        let known = ["https://", "http://", "gs://"].iter().any(|scheme| url.starts_with(scheme));
        known.then_some(Self::Link(url))
    }
}

/// The media type that a link's ending promises.
pub fn mime_of_link(url: &str) -> Option<&'static str> {
    const ENDINGS: [(&str, &str); 14] = [
        (".png", "image/png"),
        (".jpg", "image/jpeg"),
        (".jpeg", "image/jpeg"),
        (".gif", "image/gif"),
        (".webp", "image/webp"),
        (".heic", "image/heic"),
        (".pdf", "application/pdf"),
        (".txt", "text/plain"),
        (".mp3", "audio/mp3"),
        (".wav", "audio/wav"),
        (".ogg", "audio/ogg"),
        (".mp4", "video/mp4"),
        (".webm", "video/webm"),
        (".mov", "video/mov"),
    ];
    let path = url.split(['?', '#']).next().unwrap_or(url).to_ascii_lowercase();
    ENDINGS.iter().find(|(ending, _)| path.ends_with(ending)).map(|(_, mime)| *mime)
}
