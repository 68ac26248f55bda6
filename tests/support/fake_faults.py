"""Groups of errors for the engine without a cluster."""

from __future__ import annotations

from lazycelery.model.faults import Difference, ErrorDetail, ErrorGroup, HeatBy, HeatMap, Mark, Share


def shares(*pairs: tuple[str, int]) -> list[Share]:
    return [Share(value=value, count=count) for value, count in pairs]


def groups(now: float) -> list[ErrorGroup]:
    return [
        ErrorGroup(
            id="3fa91b22c0",
            type="Timeout",
            message="gateway did not answer in <n> s",
            place="shop/gateway.py in charge",
            code='raise Timeout(f"gateway did not answer in {seconds} s")',
            count=1204,
            failed=1200,
            retrying=4,
            rate=2.0,
            first=now - 7200,
            last=now - 4,
            new=False,
            tasks=shares(("shop.charge", 1000), ("shop.pay", 204)),
            workers=shares(("celery@web-1", 700), ("celery@web-2", 504)),
            queues=shares(("default", 1204)),
            history=[0] * 10 + [3, 5, 9, 20, 40, 60, 80, 90, 70, 50, 40, 30, 20, 15, 12, 10, 9, 8, 7, 6],
            sample="id-1",
        ),
        ErrorGroup(
            id="90aa17ff02",
            type="KeyError",
            message="currency",
            place="shop/invoice.py in total",
            code='return PRICES[order["currency"]]',
            count=31,
            failed=31,
            rate=0.1,
            first=now - 300,
            last=now - 20,
            new=True,
            tasks=shares(("shop.report", 31)),
            workers=shares(("celery@web-3", 31)),
            queues=shares(("reports", 31)),
            history=[0] * 27 + [9, 12, 10],
            sample="id-2",
        ),
        ErrorGroup(
            id="c01dcafe00",
            type="",
            message="smtp <n>",
            count=2,
            failed=0,
            retrying=2,
            rate=0.0,
            first=now - 90_000,
            last=now - 80_000,
            new=False,
            tasks=shares(("mail.send", 2)),
            workers=shares(("celery@mail-1", 2)),
            history=[2] + [0] * 29,
            sample="id-3",
        ),
    ]


def marks(now: float) -> list[Mark]:
    return [
        Mark(at=now - 600, name="release 1.4", user="ada"),
        Mark(at=now - 86_400, name="3 workers began anew", by="workers"),
    ]


def detail(group: ErrorGroup, now: float) -> ErrorDetail:
    hour = str(int(now // 3600 * 3600))
    return ErrorDetail(
        group=group,
        looked_at=min(1000, group.count),
        differences=[
            Difference(field="queue", same=True, values=shares(("default", 1000)), distinct=1, known=1000),
            Difference(field="args.1", same=True, values=shares(("EUR", 1000)), distinct=1, known=1000),
            Difference(
                field="hour", same=False, values=shares((hour, 990), ("0", 10)), distinct=2, known=1000
            ),
            Difference(
                field="worker",
                same=False,
                values=shares(("celery@web-1", 620), ("celery@web-2", 380)),
                distinct=2,
                known=1000,
                filter="worker:=celery@web-1",
            ),
            Difference(
                field="args.0", same=False, values=shares(("4711", 1), ("4712", 1)), distinct=1000, known=1000
            ),
        ],
    )


def heat(by: HeatBy, now: float) -> HeatMap:
    hour = int(now // 3600) * 3600
    return HeatMap(
        by=by,
        rows=["shop.charge", "shop.report", "mail.send"],
        columns=["celery@web-1", "celery@web-2", "celery@a-host-with-a-long-name-7"]
        if by == "worker"
        else [str(hour - 3600 * back) for back in range(11, -1, -1)],
        failed=[[700, 504, 0], [0, 0, 31], [0, 2, 0]]
        if by == "worker"
        else [[0] * 9 + [4, 600, 600], [0] * 11 + [31], [2] + [0] * 11],
        ended=[[1000, 9000, 0], [12, 0, 31], [80, 90, 100]]
        if by == "worker"
        else [[900] * 12, [0] * 11 + [40], [80] * 12],
        columns_left_out=2 if by == "worker" else 0,
        since=now - 90_000,
    )
