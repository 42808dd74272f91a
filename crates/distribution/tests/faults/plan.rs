//! What a run does and what goes wrong in it, drawn from its seed.

use std::time::Duration;

use http::Method;
use wharf_registry::{Fault, RouteKind};
use wharf_testkit::{
    Random,
    hostile::{Direction, Harm, WireFault},
};

/// What the client is asked to do.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub(crate) enum Task {
    Pull,
    Push,
    PushChunks,
    Mount,
    Tags,
    Login,
}

/// One thing that goes wrong.
#[derive(Debug, Clone)]
pub(crate) enum Trouble {
    Wire(WireFault),
    Registry {
        name: &'static str,
        fault: Fault,
    },
    /// The registry sends the client to a host that asks for a login.
    Redirect(RouteKind),
}

/// Everything about a run.
#[derive(Debug)]
pub(crate) struct Plan {
    pub(crate) task: Task,
    pub(crate) layers: Vec<usize>,
    pub(crate) content: u64,
    /// Tokens and how long they live, or Basic, or nothing.
    pub(crate) access: Access,
    pub(crate) troubles: Vec<Trouble>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Access {
    Open,
    Basic,
    Tokens(Duration),
}

impl Plan {
    pub(crate) fn draw(seed: u64) -> Self {
        let mut random = Random::new(seed);
        let task = random.pick(&[
            Task::Pull,
            Task::Pull,
            Task::Pull,
            Task::Push,
            Task::Push,
            Task::PushChunks,
            Task::Mount,
            Task::Tags,
            Task::Login,
        ]);
        let layers = if task == Task::PushChunks {
            vec![2_500_000]
        } else {
            let count = 1 + random.below(3);
            (0..count)
                .map(|_| usize::try_from(random.of_any_size(400_000)).unwrap())
                .collect()
        };
        let access = match random.below(4) {
            0 => Access::Open,
            1 => Access::Basic,
            2 => Access::Tokens(Duration::from_secs(5 * 60)),
            _ => Access::Tokens(Duration::from_secs(3)),
        };
        let traffic = layers.iter().sum::<usize>() as u64 + 3000;
        let mut troubles = Vec::new();
        if matches!(access, Access::Tokens(life) if life < Duration::from_secs(60)) {
            troubles.push(expiry(&mut random, task));
        }
        let count = if random.once_in(3) { 1 + random.below(3) } else { 1 };
        for _ in 0..count {
            troubles.push(trouble(&mut random, task, traffic));
        }
        Self {
            task,
            layers,
            content: random.number(),
            access,
            troubles,
        }
    }

    /// Whether what is asked for can change on its way: the name that something is stored under.
    pub(crate) fn garbles_requests(&self) -> bool {
        let garbles = |trouble: &Trouble| {
            matches!(trouble, Trouble::Wire(fault) if fault.direction == Direction::Up
                && matches!(fault.harm, Harm::Flip | Harm::Insert(_) | Harm::Lose(_)))
        };
        self.troubles.iter().any(garbles)
    }

    /// Whether bytes change on their way, in a task whose answer no digest protects: over plain http nobody
    /// can tell.
    pub(crate) fn garbles_unprotected(&self) -> bool {
        let garbles = |trouble: &Trouble| match trouble {
            Trouble::Wire(fault) => matches!(fault.harm, Harm::Flip | Harm::Insert(_) | Harm::Lose(_)),
            Trouble::Registry { name, .. } => *name == "flip",
            Trouble::Redirect(_) => false,
        };
        matches!(self.task, Task::Mount | Task::Tags) && self.troubles.iter().any(garbles)
    }

    /// Whether the client has no excuse to fail: what goes wrong is one thing, and passes.
    pub(crate) fn must_succeed(&self) -> bool {
        let passing = |trouble: &Trouble| match trouble {
            Trouble::Wire(fault) => matches!(fault.harm, Harm::Cut | Harm::Reset | Harm::Stall),
            Trouble::Registry { name, .. } => {
                matches!(
                    *name,
                    "hang up" | "lost reply" | "cut" | "stall" | "late" | "busy" | "no range"
                )
            }
            Trouble::Redirect(_) => false,
        };
        matches!(self.troubles.as_slice(), [one] if passing(one))
    }
}

/// A delay in which a token runs out.
fn expiry(random: &mut Random, task: Task) -> Trouble {
    let fault = Fault::delay(Duration::from_secs(10))
        .after(random.below(4))
        .times(1);
    let fault = if matches!(task, Task::Push | Task::PushChunks) {
        fault.on(random.pick(&[RouteKind::Uploads, RouteKind::Upload, RouteKind::Blob]))
    } else {
        fault
    };
    Trouble::Registry { name: "late", fault }
}

fn trouble(random: &mut Random, task: Task, traffic: u64) -> Trouble {
    match random.below(10) {
        0..5 => Trouble::Wire(wire(random, task, traffic)),
        5..9 => registry(random, task, traffic),
        _ => Trouble::Redirect(endpoint(random, task)),
    }
}

fn wire(random: &mut Random, task: Task, traffic: u64) -> WireFault {
    let sends = matches!(task, Task::Push | Task::PushChunks);
    let heavy = if sends { Direction::Up } else { Direction::Down };
    let light = if sends { Direction::Down } else { Direction::Up };
    let (direction, end) = if random.once_in(4) {
        (light, 1500)
    } else {
        (heavy, traffic)
    };
    let harm = match random.below(8) {
        0..2 => Harm::Flip,
        2 => Harm::Cut,
        3 => Harm::Reset,
        4 => Harm::Stall,
        5 => Harm::Insert(1 + u8::try_from(random.below(40)).unwrap()),
        6 => Harm::Lose(1 + u8::try_from(random.below(40)).unwrap()),
        _ => Harm::Drip,
    };
    let at = if random.once_in(2) {
        random.below(end)
    } else {
        random.of_any_size(end)
    };
    WireFault { direction, at, harm }
}

fn endpoint(random: &mut Random, task: Task) -> RouteKind {
    match task {
        Task::Pull => random.pick(&[RouteKind::Manifest, RouteKind::Blob, RouteKind::Blob]),
        Task::Push | Task::PushChunks => random.pick(&[
            RouteKind::Uploads,
            RouteKind::Upload,
            RouteKind::Upload,
            RouteKind::Manifest,
        ]),
        Task::Mount => RouteKind::Uploads,
        Task::Tags => RouteKind::Tags,
        Task::Login => random.pick(&[RouteKind::Base, RouteKind::Token]),
    }
}

fn registry(random: &mut Random, task: Task, traffic: u64) -> Trouble {
    let place = endpoint(random, task);
    let after = random.below(3);
    let at = random.of_any_size(traffic);
    let (name, fault) = match random.below(13) {
        0..3 => {
            let status = random.pick(&[408, 425, 429, 500, 502, 503, 504]);
            let times = 1 + random.below(3);
            let fault = Fault::status(status).times(times);
            let fault = if random.once_in(2) {
                fault.with_header("retry-after", "1")
            } else {
                fault
            };
            ("busy", fault)
        }
        3 => (
            "busy for long",
            Fault::status(random.pick(&[429, 503])).times(100),
        ),
        4 => ("hang up", Fault::hang_up().times(1)),
        5 => ("lost reply", Fault::lose_reply().times(1)),
        6 => ("cut", Fault::cut(at).times(1)),
        7 => ("stall", Fault::stall(at).times(1)),
        8 => ("flip", Fault::flip(at).times(1)),
        9 => ("cut request", Fault::cut_request(at).times(1)),
        10 => (
            "lying range",
            Fault::cut(at).and(Fault::lie_about_range()).times(3),
        ),
        11 => ("no range", Fault::cut(at).and(Fault::ignore_range()).times(1)),
        _ => {
            let digest = format!("sha256:{}", "0".repeat(64));
            (
                "wrong digest",
                Fault::header("docker-content-digest", &digest).times(1),
            )
        }
    };
    let fault = fault.on(place).after(after);
    let fault = if name == "cut request" {
        fault.method(random.pick(&[Method::PUT, Method::PATCH]))
    } else {
        fault
    };
    Trouble::Registry { name, fault }
}
