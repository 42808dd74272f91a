use super::member::Member;

/// The next element that a [`Reader`](crate::tar::Reader) has read.
#[derive(Debug)]
#[non_exhaustive]
pub enum Event<'a> {
    /// A member begins.
    #[non_exhaustive]
    Member {
        /// The member.
        member: Member,
        /// Where its first header begins, in bytes from the start of the archive.
        header_offset: u64,
        /// Where its content begins, in bytes from the start of the archive.
        content_offset: u64,
        /// True if a member of that name was before it. Of a layer, the last one counts. In a million members,
        /// a name is taken for a duplicate that is none with a probability of 1 to 30 million.
        duplicate: bool,
    },
    /// The next bytes of the member's content, never empty.
    Content(&'a [u8]),
    /// The content of the member is complete. Every member has this event, without content too.
    MemberEnd,
    /// The two blocks of zeros that end an archive were read. What follows is not parsed.
    End,
}

/// The totals of an archive that has been read to its end.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct Summary {
    /// The number of members.
    pub members: u64,
    /// Bytes other than zero after the end of the archive. They are no part of any member, but of the layer's
    /// digest.
    pub trailing: u64,
    /// True if the two blocks of zeros were there. Common readers accept an archive without them.
    pub ended: bool,
}
