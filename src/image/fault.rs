//! Why an image cannot be read.

use miette::Diagnostic;

/// Why an image cannot be read.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error, Diagnostic)]
pub enum Fault {
    /// The file, or a part of it.
    #[error("{what} cannot be read: {why}")]
    #[diagnostic(code(stackctl::image::unreadable), help("check the path, and its permissions"))]
    Unreadable {
        /// What was read.
        what: String,
        /// Why not.
        why: String,
    },
    /// Neither of the forms.
    #[error("{what} is no image: neither an archive of `docker save` nor an OCI layout")]
    #[diagnostic(
        code(stackctl::image::not_an_image),
        help(
            "`docker save -o FILE IMAGE` writes an archive; a name of the local engine needs no file at all"
        )
    )]
    NotAnImage {
        /// What was read.
        what: String,
    },
    /// The archive as a whole is compressed.
    #[error("{what} is compressed as a whole ({how})")]
    #[diagnostic(
        code(stackctl::image::compressed),
        help("decompress it into the command: `zcat FILE | stackctl image push -`")
    )]
    Compressed {
        /// What was read.
        what: String,
        /// By what.
        how: &'static str,
    },
    /// It ends too early.
    #[error("{what} ends before it is complete")]
    #[diagnostic(
        code(stackctl::image::truncated),
        help("make or copy it again; nothing of it was given a name on any host")
    )]
    Truncated {
        /// What was read.
        what: String,
    },
    /// It does not follow its form.
    #[error("{what} is damaged: {why}")]
    #[diagnostic(
        code(stackctl::image::damaged),
        help("make or copy it again; nothing of it was given a name on any host")
    )]
    Damaged {
        /// What was read.
        what: String,
        /// In which way.
        why: String,
    },
    /// A part is not what it is said to be.
    #[error("{what} is not what the image says: {found} instead of {wanted}")]
    #[diagnostic(
        code(stackctl::image::wrong_digest),
        help("the file was changed, or damaged: make it again; nothing of it was given a name on any host")
    )]
    WrongDigest {
        /// Which part.
        what: String,
        /// The digest that it should have.
        wanted: String,
        /// The one that it has.
        found: String,
    },
    /// A part is missing.
    #[error("{what} of the image is not in it")]
    #[diagnostic(
        code(stackctl::image::incomplete),
        help("an archive of one platform has not the others; save the image again, where it is whole")
    )]
    Incomplete {
        /// Which part.
        what: String,
    },
    /// More than one image, and none was chosen.
    #[error("there are several images in it: {}", names.join(", "))]
    #[diagnostic(code(stackctl::image::several), help("choose one by its name, with --image"))]
    Several {
        /// Their names.
        names: Vec<String>,
    },
    /// None of that name.
    #[error("there is no image `{wanted}` in it; there is {}", names.join(", "))]
    #[diagnostic(code(stackctl::image::not_in_archive), help("write the name as it is listed here"))]
    NotThere {
        /// The name.
        wanted: String,
        /// Those that there are.
        names: Vec<String>,
    },
    /// It has no name.
    #[error("the image has no name, so nothing could name it on a host")]
    #[diagnostic(code(stackctl::image::nameless), help("give it one: `--tag myapp:1.2`"))]
    Nameless,
}

impl Fault {
    /// A file or a part of it that cannot be read.
    pub(super) fn unreadable(what: &str, error: &std::io::Error) -> Self {
        if error.kind() == std::io::ErrorKind::UnexpectedEof {
            return Self::Truncated { what: what.to_owned() };
        }
        Self::Unreadable { what: what.to_owned(), why: error.to_string() }
    }

    /// Something that does not follow its form.
    pub(super) fn damaged(what: &str, why: impl ToString) -> Self {
        Self::Damaged { what: what.to_owned(), why: why.to_string() }
    }
}
