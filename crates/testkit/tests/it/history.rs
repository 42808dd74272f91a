use wharf_testkit::history::{
    Action::{Read, Write},
    Operation, is_linearizable,
};

#[test]
fn a_history_is_linearizable_if_one_order_explains_all_reads() {
    let never = u64::MAX;
    for (is_right, history) in [
        (true, vec![]),
        (true, vec![(1, 2, Read(0)), (1, 2, Read(0))]),
        (false, vec![(1, 2, Read(1))]),
        (true, vec![(1, 2, Write(1)), (3, 4, Read(1))]),
        (false, vec![(1, 2, Write(1)), (3, 4, Read(0))]),
        // At the same time as a write, either value.
        (true, vec![(1, 4, Write(1)), (2, 3, Read(0))]),
        (true, vec![(1, 4, Write(1)), (2, 3, Read(1))]),
        // But not backwards.
        (true, vec![(1, 9, Write(1)), (2, 3, Read(0)), (4, 5, Read(1))]),
        (false, vec![(1, 9, Write(1)), (2, 3, Read(1)), (4, 5, Read(0))]),
        // Two writes at the same time have one order for all.
        (
            true,
            vec![
                (1, 9, Write(1)),
                (1, 9, Write(2)),
                (10, 11, Read(1)),
                (10, 11, Read(1)),
            ],
        ),
        (
            false,
            vec![
                (1, 9, Write(1)),
                (1, 9, Write(2)),
                (10, 11, Read(1)),
                (10, 11, Read(2)),
            ],
        ),
        (false, vec![(1, 2, Write(1)), (3, 4, Write(2)), (5, 6, Read(1))]),
        // A write without an answer was made, late, or never; but it is made once.
        (true, vec![(1, never, Write(1)), (2, 3, Read(0)), (4, 5, Read(0))]),
        (true, vec![(1, never, Write(1)), (2, 3, Read(0)), (8, 9, Read(1))]),
        (false, vec![(5, never, Write(1)), (2, 3, Read(1))]),
        (
            true,
            vec![
                (1, never, Write(1)),
                (2, 3, Write(2)),
                (4, 5, Read(2)),
                (6, 7, Read(1)),
            ],
        ),
        (
            false,
            vec![
                (1, never, Write(1)),
                (2, 3, Read(1)),
                (4, 5, Write(2)),
                (6, 7, Read(1)),
            ],
        ),
    ] {
        let operation = |(begun, ended, action): &(u64, u64, _)| Operation {
            begun: *begun,
            ended: Some(*ended).filter(|ended| *ended != never),
            action: Clone::clone(action),
        };
        let operations: Vec<_> = history.iter().map(operation).collect();
        assert_eq!(is_linearizable(&0, &operations), is_right, "{history:?}");
    }
}

#[test]
fn a_long_history_is_judged() {
    // Eight clients, whose operations overlap with those of the others, and one that reads an old value at the end.
    let mut history = Vec::new();
    for number in 0..400_u64 {
        let action = if number % 2 == 0 {
            Write(number)
        } else {
            Read(number - 1)
        };
        history.push(Operation {
            begun: number * 10,
            ended: Some(number * 10 + 35),
            action,
        });
    }
    let first = history.len() / 2;
    assert!(is_linearizable(&0, &history));
    history[first + 9].action = Read(100);
    assert!(!is_linearizable(&0, &history));
}
