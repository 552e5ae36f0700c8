"""Answers as others have captured them from KIS (2023 to 2026), with names, keys and addresses replaced."""

PAD = " " * 100
ORDER_REAL = (
    '{"rt_cd":"0","msg_cd":"APBK0013","msg1":"주문 전송 완료 되었습니다.","output":{"KRX_FWDG_ORD_ORGNO":'
    '"03930","ODNO":"0000085100","ORD_TMD":"094414","SOR_ODNO":""}}'
)
ORDER_PAPER = (
    '{"rt_cd":"0","msg_cd":"40600000","msg1":"모의투자 매수주문이 완료 되었습니다.","output":'
    '{"KRX_FWDG_ORD_ORGNO":"00950","ODNO":"51378","ORD_TMD":"110840"}}'
)
EXECUTION = (
    '{"ord_dt":"20251217","ord_gno_brno":"03930","odno":"0000085100","orgn_odno":"","ord_dvsn_name":"시장가",'
    '"sll_buy_dvsn_cd":"02","sll_buy_dvsn_cd_name":"현금매수","pdno":"088350","prdt_name":"한화생명",'
    '"ord_qty":"1","ord_unpr":"0","ord_tmd":"094414","tot_ccld_qty":"1","avg_prvs":"3145","cncl_yn":"",'
    '"tot_ccld_amt":"3145","loan_dt":"","ordr_empno":"OpnAPI","ord_dvsn_cd":"01","cncl_cfrm_qty":"0",'
    '"rmn_qty":"0","rjct_qty":"0","ccld_cndt_name":"없음","inqr_ip_addr":"203.0.113.10",'
    '"cpbc_ordp_ord_rcit_dvsn_cd":"","cpbc_ordp_infm_mthd_dvsn_cd":"","infm_tmd":"","ctac_tlno":"",'
    '"prdt_type_cd":"","excg_dvsn_cd":"12","cpbc_ordp_mtrl_dvsn_cd":"","ord_orgno":"00000",'
    '"rsvn_ord_end_dt":"","excg_id_dvsn_cd":"SOR","stpm_cndt_pric":"0","stpm_efct_occr_dtmd":""}'
)
OPEN_ORDER = (
    '{"ord_gno_brno":"03930","odno":"0000457500","orgn_odno":"","ord_dvsn_name":"지정가","pdno":"088350",'
    '"prdt_name":"한화생명","rvse_cncl_dvsn_name":"현금매수","ord_qty":"1","ord_unpr":"2900",'
    '"ord_tmd":"152229","tot_ccld_qty":"0","tot_ccld_amt":"0","psbl_qty":"1","sll_buy_dvsn_cd":"02",'
    '"ord_dvsn_cd":"00","mgco_aptm_odno":"","excg_dvsn_cd":"12","excg_id_dvsn_cd":"SOR",'
    '"excg_id_dvsn_name":"SOR","stpm_cndt_pric":"0","stpm_efct_occr_yn":""}'
)
HOLDING = (
    '{"pdno":"114800","prdt_name":"KODEX 인버스","trad_dvsn_name":"현금","bfdy_buy_qty":"0",'
    '"bfdy_sll_qty":"0","thdt_buyqty":"0","thdt_sll_qty":"0","hldg_qty":"35","ord_psbl_qty":"35",'
    '"pchs_avg_pric":"4482.1420","pchs_amt":"156875","prpr":"4290","evlu_amt":"150150",'
    '"evlu_pfls_amt":"-6725","evlu_pfls_rt":"-4.29","evlu_erng_rt":"-4.28685259","loan_dt":"",'
    '"loan_amt":"0","stln_slng_chgs":"0","expd_dt":"","fltt_rt":"-0.58000000","bfdy_cprs_icdc":"-25",'
    '"item_mgna_rt_name":"60%","grta_rt_name":"","sbst_pric":"0","stck_loan_unpr":"0.0000"}'
)
SUMMARY = (
    '{"dnca_tot_amt":"9644485","nxdy_excc_amt":"9644485","prvs_rcdl_excc_amt":"9644485","cma_evlu_amt":"0",'
    '"bfdy_buy_amt":"0","thdt_buy_amt":"0","nxdy_auto_rdpt_amt":"0","bfdy_sll_amt":"0","thdt_sll_amt":"0",'
    '"d2_auto_rdpt_amt":"0","bfdy_tlex_amt":"0","thdt_tlex_amt":"0","tot_loan_amt":"0",'
    '"scts_evlu_amt":"365650","tot_evlu_amt":"10010135","nass_amt":"10010135","fncg_gld_auto_rdpt_yn":"",'
    '"pchs_amt_smtl_amt":"355475","evlu_amt_smtl_amt":"365650","evlu_pfls_smtl_amt":"10175",'
    '"tot_stln_slng_chgs":"0","bfdy_tot_asst_evlu_amt":"10005510","asst_icdc_amt":"4625",'
    '"asst_icdc_erng_rt":"0.04622453"}'
)
BUYING_POWER = (
    '{"ord_psbl_cash":"9950000","ord_psbl_sbst":"0","ruse_psbl_amt":"0","fund_rpch_chgs":"0",'
    '"psbl_qty_calc_unpr":"68100","nrcvb_buy_amt":"9998580","nrcvb_buy_qty":"146","max_buy_amt":"50000000",'
    '"max_buy_qty":"734","cma_evlu_amt":"0","ovrs_re_use_amt_wcrc":"0","ord_psbl_frcr_amt_wcrc":"0"}'
)
PRICE = (
    '{"iscd_stat_cls_code":"55","marg_rate":"20.00","rprs_mrkt_kor_name":"KOSPI200","bstp_kor_isnm":"전기.전자",'
    '"temp_stop_yn":"N","oprc_rang_cont_yn":"N","clpr_rang_cont_yn":"N","crdt_able_yn":"Y",'
    '"grmn_rate_cls_code":"40","elw_pblc_yn":"Y","stck_prpr":"75700","prdy_vrss":"-1600",'
    '"prdy_vrss_sign":"5","prdy_ctrt":"-2.07","acml_tr_pbmn":"1109351578979","acml_vol":"14598755",'
    '"prdy_vrss_vol_rate":"68.90","stck_oprc":"76100","stck_hgpr":"76600","stck_lwpr":"75600",'
    '"stck_mxpr":"100400","stck_llam":"54200","stck_sdpr":"77300","wghn_avrg_stck_prc":"75990.12",'
    '"rstc_wdth_prc":"23100","stck_fcam":"100","aspr_unit":"100","hts_deal_qty_unit_val":"1",'
    '"lstn_stcn":"5969782550","hts_avls":"4519125","per":"35.52","pbr":"1.46","eps":"2131.00",'
    '"bps":"52002.00","ssts_yn":"N","stck_shrn_iscd":"005930","fcam_cnnm":"100","cpfn_cnnm":"7,780 억",'
    '"vi_cls_code":"N","ovtm_vi_cls_code":"N","invt_caful_yn":"N","mrkt_warn_cls_code":"00",'
    '"short_over_yn":"N","sltr_yn":"N"}'
)
# The quote's fields that the portal lists beside those of the capture above.
PRICE_TOO = (
    "hts_frgn_ehrt frgn_ntby_qty pgtr_ntby_qty frgn_hldn_qty vol_tnrt stac_month cpfn whol_loan_rmnd_rate "
    "pvt_scnd_dmrs_prc pvt_frst_dmrs_prc pvt_pont_val pvt_frst_dmsp_prc pvt_scnd_dmsp_prc dmrs_val dmsp_val "
    "d250_hgpr d250_hgpr_date d250_hgpr_vrss_prpr_rate d250_lwpr d250_lwpr_date d250_lwpr_vrss_prpr_rate "
    "stck_dryy_hgpr dryy_hgpr_vrss_prpr_rate dryy_hgpr_date stck_dryy_lwpr dryy_lwpr_vrss_prpr_rate "
    "dryy_lwpr_date w52_hgpr w52_hgpr_vrss_prpr_ctrt w52_hgpr_date w52_lwpr w52_lwpr_vrss_prpr_ctrt "
    "w52_lwpr_date stck_sspr last_ssts_cntg_qty apprch_rate new_hgpr_lwpr_cls_code mang_issu_cls_code"
)
BAR = (
    '{"stck_bsop_date":"20240510","stck_clpr":"79200","stck_oprc":"80400","stck_hgpr":"81100",'
    '"stck_lwpr":"78900","acml_vol":"16976124","acml_tr_pbmn":"1351235284800","flng_cls_code":"00",'
    '"prtt_rate":"0.00","mod_yn":"N","prdy_vrss_sign":"5","prdy_vrss":"-500","revl_issu_reas":""}'
)
BARS_SUMMARY = (
    "prdy_vrss prdy_vrss_sign prdy_ctrt stck_prdy_clpr acml_vol acml_tr_pbmn hts_kor_isnm stck_prpr "
    "stck_shrn_iscd prdy_vol stck_mxpr stck_llam stck_oprc stck_hgpr stck_lwpr stck_prdy_oprc stck_prdy_hgpr "
    "stck_prdy_lwpr askp bidp prdy_vrss_vol vol_tnrt stck_fcam lstn_stcn cpfn hts_avls per eps pbr "
    "itewhol_loan_rmnd_ratem"
)
RANKED = (
    '{"hts_kor_isnm":"삼성전자","mksc_shrn_iscd":"005930","data_rank":"1","stck_prpr":"65100",'
    '"prdy_vrss_sign":"5","prdy_vrss":"-300","prdy_ctrt":"-0.46","acml_vol":"8958147","prdy_vol":"12334657",'
    '"lstn_stcn":"5969782550","avrg_vol":"8958147","n_befr_clpr_vrss_prpr_rate":"-0.46","vol_inrt":"72.63",'
    '"vol_tnrt":"0.15","nday_vol_tnrt":"0.15","avrg_tr_pbmn":"584861890300","tr_pbmn_tnrt":"0.15",'
    '"nday_tr_pbmn_tnrt":"0.15","acml_tr_pbmn":"584861890300"}'
)
INDEX = (
    '{"bstp_nmix_prpr":"2807.63","bstp_nmix_prdy_vrss":"10.30","prdy_vrss_sign":"2",'
    '"bstp_nmix_prdy_ctrt":"0.37","acml_vol":"758166","prdy_vol":"646706","acml_tr_pbmn":"13576970",'
    '"prdy_tr_pbmn":"14069564","bstp_nmix_oprc":"2802.10","prdy_nmix_vrss_nmix_oprc":"4.77",'
    '"oprc_vrss_prpr_sign":"2","bstp_nmix_oprc_prdy_ctrt":"0.17","bstp_nmix_hgpr":"2812.62",'
    '"prdy_nmix_vrss_nmix_hgpr":"15.29","hgpr_vrss_prpr_sign":"2","bstp_nmix_hgpr_prdy_ctrt":"0.55",'
    '"bstp_nmix_lwpr":"2796.37","prdy_clpr_vrss_lwpr":"-0.96","lwpr_vrss_prpr_sign":"5",'
    '"prdy_clpr_vrss_lwpr_rate":"-0.03","ascn_issu_cnt":"499","uplm_issu_cnt":"4","stnr_issu_cnt":"62",'
    '"down_issu_cnt":"371","lslm_issu_cnt":"0","dryy_bstp_nmix_hgpr":"2812.62",'
    '"dryy_hgpr_vrss_prpr_rate":"0.18","dryy_bstp_nmix_hgpr_date":"20240620",'
    '"dryy_bstp_nmix_lwpr":"2429.12","dryy_lwpr_vrss_prpr_rate":"-15.58",'
    '"dryy_bstp_nmix_lwpr_date":"20240118","total_askp_rsqn":"21349106","total_bidp_rsqn":"33251530",'
    '"seln_rsqn_rate":"39.10","shnu_rsqn_rate":"60.90","ntby_rsqn":"11902424"}'
)
SELLABLE = (
    '{"pdno":"005930","prdt_name":"삼성전자","buy_qty":"1746","sll_qty":"2","cblc_qty":"1744","nsvg_qty":"0",'
    '"ord_psbl_qty":"1744","pchs_avg_pric":"54388.4874","pchs_amt":"0","now_pric":"75800",'
    '"evlu_amt":"132195200","evlu_pfls_amt":"37341678","evlu_pfls_rt":"39.36"}'
)
DAY = '{"bass_dt":"20260105","wday_dvsn_cd":"02","bzdy_yn":"Y","tr_day_yn":"Y","opnd_yn":"Y","sttl_day_yn":"Y"}'
