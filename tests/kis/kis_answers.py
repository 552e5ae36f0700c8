"""Answers as KIS documents them, where only its list of fields is to be had: the values are made up."""

from __future__ import annotations

from tests.kis.kis_wire import refusal

YES = {"rt_cd": "0", "msg_cd": "MCA00000", "msg1": "정상처리 되었습니다."}
NO_ROWS = refusal("KIOK0560", rt_cd="7", words="조회할 내용이 없습니다")
INDEX_NOW = {
    "prdy_vrss_sign": "2",
    "bstp_nmix_prdy_ctrt": "0.37",
    "prdy_nmix": "2797.33",
    "acml_vol": "758166",
    "acml_tr_pbmn": "13576970",
    "hts_kor_isnm": "종합",
    "bstp_nmix_prpr": "2807.63",
    "bstp_cls_code": "0001",
}
INDEX_ROW = {
    "stck_bsop_date": "20240620",
    "bstp_nmix_prpr": "2807.63",
    "bstp_nmix_oprc": "2802.10",
    "bstp_nmix_hgpr": "2812.62",
    "bstp_nmix_lwpr": "2796.37",
    "acml_vol": "758166",
    "acml_tr_pbmn": "13576970",
    "mod_yn": "N",
}
INDEX_CHART = {
    "output1": INDEX_NOW,
    "output2": [INDEX_ROW | {"stck_bsop_date": "20240619"}, {"stck_bsop_date": ""}, {}, INDEX_ROW],
    **YES,
}
MOVER = {
    "stck_shrn_iscd": "0155E0",
    "data_rank": "1",
    "hts_kor_isnm": "어느ETF",
    "stck_prpr": "13000",
    "prdy_vrss": "-3000",
    "prdy_vrss_sign": "4",
    "prdy_ctrt": "-18.75",
    "acml_vol": "1234",
    "stck_hgpr": "15900",
    "stck_lwpr": "12900",
}
INFO = {
    "pdno": "00000A005930",
    "prdt_abrv_name": "삼성전자",
    "prdt_name": "삼성전자보통주",
    "std_pdno": "KR7005930003",
    "mket_id_cd": "STK",
    "scty_grp_id_cd": "ST",
    "stck_kind_cd": "101",
    "lstg_stqt": "5919637922",
    "papr": "100",
    "kospi200_item_yn": "Y",
    "scts_mket_lstg_dt": "19750611",
    "kosdaq_mket_lstg_dt": "",
    "lstg_abol_dt": "",
    "tr_stop_yn": "N",
    "admn_item_yn": "N",
    "thdt_clpr": "75700",
    "bfdy_clpr": "77300",
    "cptt_trad_tr_psbl_yn": "Y",
    "nxt_tr_stop_yn": "N",
}
PROFIT_DAY = {
    "trad_dt": "20261117",
    "buy_amt": "104375",
    "sll_amt": "106100",
    "rlzt_pfls": "1717",
    "fee": "8",
    "loan_int": "0",
    "tl_tax": "212",
    "pfls_rt": "1.64502994",
    "sll_qty1": "17",
    "buy_qty1": "17",
}
PROFIT_TOTALS = {
    "buy_tr_amt_smtl": "208750",
    "sll_tr_amt_smtl": "212200",
    "tot_rlzt_pfls": "3434",
    "tot_fee": "16",
    "tot_tltx": "424",
    "loan_int": "0",
}
CURSOR = {"ctx_area_fk100": "12345678^01^".ljust(100), "ctx_area_nk100": "20261117".ljust(100)}
NO_CURSOR = {"ctx_area_fk100": " " * 100, "ctx_area_nk100": " " * 100}
